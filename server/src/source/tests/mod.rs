//! The source on real repositories in temporary folders, driven by git2 and, where it is installed, by plain git.

mod examine;
mod plain_git;
mod promote;
mod repository;
mod rollback;
mod trees;
mod world;
