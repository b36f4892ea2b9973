//! Where objects lie on the disk: names that are hashes, folders for each study, room that is left.
