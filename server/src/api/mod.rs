//! api

pub mod auth;
pub mod enroll;
