//! Storage commitment: asking peers to promise to keep what they got.
