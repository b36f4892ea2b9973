//! DICOM messages and associations as bytes: no sockets, no tasks, no files.
