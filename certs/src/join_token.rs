//! join_token
