use std::fmt;
use std::sync::{Arc, OnceLock};

use cel::objects::Key;
use cel::{Context, Env, Program};
use strongroom_objects::{Map, Value};

/// Longest expression, in bytes: nobody reads a longer one.
const MAX_BYTES: usize = 10_000;

/// A CEL expression of the configuration, over one variable.
pub(super) struct Expression {
    source: String,
    variable: &'static str,
    program: Program,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

impl Expression {
    /// Reads an expression that may refer to `variable` (`claims` or `user`) and to what it introduces itself.
    pub(super) fn compile(source: &str, variable: &'static str) -> Result<Expression, String> {
        if source.len() > MAX_BYTES {
            return Err(format!("the expression is longer than {MAX_BYTES} bytes"));
        }
        let program = environment()
            .compile(source)
            .map_err(|errors| format!("the expression cannot be read: {}", one_line(&errors.to_string())))?;
        let other = if variable == "claims" { "user" } else { "claims" };
        if program.references().has_variable(other) {
            return Err(format!("the expression may refer to {variable}, not to {other}"));
        }
        Ok(Expression {
            source: source.to_owned(),
            variable,
            program,
        })
    }

    /// Whether the text of the expression mentions `name`.
    pub(super) fn mentions(&self, name: &str) -> bool {
        self.source.contains(name)
    }

    /// The result, with `value` as the variable. An error says nothing about the value: it may be personal.
    pub(super) fn evaluate(&self, value: &cel::Value) -> Result<cel::Value, String> {
        let mut context = Context::with_env(environment().clone());
        context.add_variable_from_value(self.variable, value.clone());
        self.program
            .execute(&context)
            .map_err(|_| format!("expression '{}' could not be evaluated", self.source))
    }

    /// Whether the expression is true; anything but a boolean is an error.
    pub(super) fn holds(&self, value: &cel::Value) -> Result<bool, String> {
        match self.evaluate(value)? {
            cel::Value::Bool(holds) => Ok(holds),
            _ => Err(format!(
                "expression '{}' does not result in a boolean",
                self.source
            )),
        }
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }
}

/// The standard library, strings (`split`, `lowerAscii`, …), lists and optionals, as kube-apiserver offers.
fn environment() -> &'static Arc<Env> {
    static ENVIRONMENT: OnceLock<Arc<Env>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut environment = Env::stdlib().with_optional_support(true);
        environment
            .add_extension(cel::extensions::strings)
            .and_then(|()| environment.add_extension(cel::extensions::lists))
            .expect("the extensions of one release do not conflict");
        Arc::new(environment)
    })
}

/// JSON as CEL sees it. Whole numbers are `int`, whatever their sign, so that they compare with literals.
pub(super) fn from_json(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(flag) => cel::Value::Bool(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => cel::Value::Int(whole),
            None => cel::Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => cel::Value::String(Arc::new(text.clone())),
        Value::Array(list) => cel::Value::List(Arc::new(list.iter().map(from_json).collect())),
        Value::Object(map) => object(map),
    }
}

pub(super) fn object(map: &Map) -> cel::Value {
    let entries = map.iter().map(|(name, value)| {
        let name = Key::String(Arc::new(name.clone()));
        (name, from_json(value))
    });
    cel::Value::Map(cel::objects::Map {
        map: Arc::new(entries.collect()),
    })
}

/// A text, or an error that names what was wanted.
pub(super) fn text(value: &cel::Value) -> Result<String, &'static str> {
    match value {
        cel::Value::String(text) => Ok(text.to_string()),
        _ => Err("must be a text"),
    }
}

/// A text or a list of texts; nothing and empty texts count for nothing.
pub(super) fn texts(value: &cel::Value) -> Result<Vec<String>, &'static str> {
    const WRONG: &str = "must be a text or a list of texts";
    let texts = match value {
        cel::Value::Null => Vec::new(),
        cel::Value::String(text) => vec![text.to_string()],
        cel::Value::List(list) => list
            .iter()
            .map(text)
            .collect::<Result<_, _>>()
            .map_err(|_| WRONG)?,
        _ => return Err(WRONG),
    };
    Ok(texts.into_iter().filter(|text| !text.is_empty()).collect())
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
