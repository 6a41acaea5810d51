//! Where do containers come from on a machine that offers no runtime? A containerd of our own: its configuration,
//! its start and its images, apart from any containerd the machine runs already.
//!
//! Development and tests use it (`cargo xtask up`, `e2e`). It uses the programs it is told to use and keeps all it
//! writes in one directory.

mod configuration;
mod daemon;
mod image;
mod tar;

pub use configuration::{Network, PAUSE_IMAGE, Programs};
pub use daemon::{Containerd, Error, Options};
pub use image::{Image, Link};
