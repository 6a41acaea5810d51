//! Volumes on real file systems. Mounting needs root; without it these tests fail rather than pass by doing nothing.

mod hostile;
mod layout;
mod limits;
mod model;
mod race;
mod scratch;
mod sub_path;
mod updates;
