//! Wire and domain, one file per .proto file.
