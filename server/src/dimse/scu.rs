//! What we ask of peers: store, find, move, get.
