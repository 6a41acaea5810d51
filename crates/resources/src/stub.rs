//! temporary
pub mod conform {
    #[derive(Debug, thiserror::Error)]
    pub enum ConformError { #[error("x")] X, #[error(transparent)] Object(#[from] strongroom_objects::ObjectError) }
    pub struct Conformed { pub value: strongroom_objects::Map, pub unknown: Vec<String> }
    pub fn conform(_ty: &strongroom_objects::Type, v: strongroom_objects::Value) -> Result<Conformed, ConformError> { 
        match v { strongroom_objects::Value::Object(value) => Ok(Conformed{value, unknown: vec![]}), _ => Err(ConformError::X) } }
}
pub mod yaml {
    pub fn parse(b: &[u8], l: &strongroom_objects::json::Limits) -> Result<strongroom_objects::json::Parsed, strongroom_objects::json::ParseError> { strongroom_objects::json::parse(b, l) }
    pub fn write(v: &strongroom_objects::Value) -> String { v.to_string() }
}
