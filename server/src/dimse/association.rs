//! One association: PDUs over a socket, with deadlines.
