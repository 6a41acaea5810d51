//! temporary
use std::sync::Arc;
use strongroom_storage::{Record, Store};
pub use strongroom_encryption::Opened;
#[derive(Clone)]
pub struct Sealed { store: Arc<dyn Store>, keyring: Arc<strongroom_encryption::Keyring> }
impl Sealed {
    pub fn new(store: Arc<dyn Store>, keyring: Arc<strongroom_encryption::Keyring>) -> Self { Self { store, keyring } }
    pub fn store(&self) -> &Arc<dyn Store> { &self.store }
    pub fn open(&self, r: &Record) -> Result<Opened, strongroom_encryption::OpenError> { self.keyring.open(&r.key, &r.value) }
    pub fn seal(&self, key: &[u8], plain: &[u8]) -> Result<bytes::Bytes, strongroom_encryption::SealError> { self.keyring.seal(key, plain, &crate::random::bytes()).map(Into::into) }
}
