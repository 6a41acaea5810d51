//! Volumes on real file systems. Mounting needs root; without it these tests fail rather than pass by doing nothing.

mod layout;
mod scratch;
