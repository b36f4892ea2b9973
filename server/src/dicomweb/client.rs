//! Other DICOMweb servers: QIDO-RS, WADO-RS, STOW-RS.
