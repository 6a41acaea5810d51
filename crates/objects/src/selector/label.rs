//! `app=web,tier in (a,b),!legacy`.

use std::collections::{BTreeMap, BTreeSet};

use super::SelectorError;
use crate::FieldError;
use crate::names;

/// All requirements must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<LabelRequirement>,
}

/// One demand on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelRequirement {
    /// The label's key.
    pub key: String,
    /// What is demanded.
    pub op: LabelOperator,
    /// The values of the operator, sorted; empty for the two that take none.
    pub values: Vec<String>,
}

/// What a requirement demands. `=` and `==` are [`LabelOperator::In`], `!=` is [`LabelOperator::NotIn`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelOperator {
    /// The label has one of the values.
    In,
    /// It has another or is missing.
    NotIn,
    /// It is there.
    Exists,
    /// It is not.
    DoesNotExist,
    /// It is a greater integer.
    GreaterThan,
    /// It is a lesser integer.
    LessThan,
}

impl LabelSelector {
    /// Reads a selector; the empty text selects everything.
    pub fn parse(text: &str) -> Result<LabelSelector, SelectorError> {
        let mut parser = Parser {
            tokens: scan(text),
            position: 0,
        };
        let mut requirements = Vec::new();
        loop {
            match parser.peek() {
                Token::Word(_) | Token::Symbol("!") => {}
                Token::End => break,
                other => return Err(expected(&other, "!, identifier, or 'end of string'")),
            }
            requirements.push(parser.requirement()?);
            match parser.next() {
                Token::End => break,
                Token::Symbol(",") => match parser.peek() {
                    Token::Word(_) | Token::Symbol("!") => {}
                    other => return Err(expected(&other, "identifier after ','")),
                },
                other => return Err(expected(&other, "',' or 'end of string'")),
            }
        }
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(LabelSelector { requirements })
    }

    /// The demands, sorted by key.
    pub fn requirements(&self) -> &[LabelRequirement] {
        &self.requirements
    }

    /// Selects everything.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether a set of labels meets all demands.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements
            .iter()
            .all(|requirement| requirement.matches(labels.get(&requirement.key)))
    }
}

impl LabelRequirement {
    fn matches(&self, label: Option<&String>) -> bool {
        let listed = |label: &String| self.values.contains(label);
        let number = |text: &String| text.parse::<i64>().ok();
        let numbers = || Some((number(label?)?, number(self.values.first()?)?));
        match self.op {
            LabelOperator::In => label.is_some_and(listed),
            LabelOperator::NotIn => !label.is_some_and(listed),
            LabelOperator::Exists => label.is_some(),
            LabelOperator::DoesNotExist => label.is_none(),
            LabelOperator::GreaterThan => numbers().is_some_and(|(label, value)| label > value),
            LabelOperator::LessThan => numbers().is_some_and(|(label, value)| label < value),
        }
    }

    fn check(&self) -> Result<(), SelectorError> {
        let mut errors = Vec::new();
        for (index, value) in self.values.iter().enumerate() {
            if matches!(self.op, LabelOperator::GreaterThan | LabelOperator::LessThan)
                && value.parse::<i64>().is_err()
            {
                let detail = "for 'Gt', 'Lt' operators, the value must be an integer";
                errors.push(FieldError::invalid(
                    &format!("values[{index}]"),
                    value.as_str(),
                    detail,
                ));
            }
        }
        for (index, value) in self.values.iter().enumerate() {
            let problems = names::label_value(value);
            if !problems.is_empty() {
                let path = format!("values[{index}][{}]", self.key);
                errors.push(FieldError::invalid(&path, value.as_str(), &problems.join("; ")));
            }
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(SelectorError::Requirement(errors))
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Symbol(&'static str),
    /// A run of operator characters that is no operator.
    Unknown(String),
    End,
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Token::Word(text) | Token::Unknown(text) => text,
            Token::Symbol(text) => text,
            Token::End => "",
        }
    }
}

/// Longer operators first.
const SYMBOLS: [&str; 9] = ["==", "!=", "=", "!", "(", ")", ",", ">", "<"];

fn scan(text: &str) -> Vec<Token> {
    let special = |character: char| "=!(),<>".contains(character);
    // A NUL ends the text, as it does in Kubernetes.
    let mut rest = text.split('\0').next().unwrap_or_default();
    let mut tokens = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        if rest.is_empty() {
            tokens.push(Token::End);
            return tokens;
        }
        let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
        if let Some(symbol) = symbol {
            tokens.push(Token::Symbol(symbol));
            rest = &rest[symbol.len()..];
        } else {
            let end = rest
                .find(|c: char| special(c) || c.is_ascii_whitespace())
                .unwrap_or(rest.len())
                .max(1);
            let end = (end..=rest.len())
                .find(|end| rest.is_char_boundary(*end))
                .unwrap_or(rest.len());
            let word = rest[..end].to_owned();
            tokens.push(if rest.starts_with(special) {
                Token::Unknown(word)
            } else {
                Token::Word(word)
            });
            rest = &rest[end..];
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    position: usize,
}

impl Parser {
    fn peek(&self) -> Token {
        self.tokens.get(self.position).cloned().unwrap_or(Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek();
        self.position += 1;
        token
    }

    fn requirement(&mut self) -> Result<LabelRequirement, SelectorError> {
        let mut token = self.next();
        let negated = token == Token::Symbol("!");
        if negated {
            token = self.next();
        }
        let Token::Word(key) = token else {
            return Err(expected_in_requirement(&token, "identifier"));
        };
        let problems = names::qualified_name(&key);
        if !problems.is_empty() {
            let error = FieldError::invalid("<nil>", key.as_str(), &problems.join("; "));
            return Err(SelectorError::Requirement(vec![error]));
        }
        let requirement = |op, values: BTreeSet<String>| LabelRequirement {
            key,
            op,
            values: values.into_iter().collect(),
        };
        if negated {
            return Ok(requirement(LabelOperator::DoesNotExist, BTreeSet::new()));
        }
        if matches!(self.peek(), Token::End | Token::Symbol(",")) {
            return Ok(requirement(LabelOperator::Exists, BTreeSet::new()));
        }
        let (op, several) = self.operator()?;
        let values = if several {
            self.values()?
        } else {
            self.exact_value()?
        };
        let requirement = requirement(op, values);
        requirement.check()?;
        Ok(requirement)
    }

    /// The operator and whether it takes a list.
    fn operator(&mut self) -> Result<(LabelOperator, bool), SelectorError> {
        let token = self.next();
        match token.text() {
            "in" => Ok((LabelOperator::In, true)),
            "notin" => Ok((LabelOperator::NotIn, true)),
            "=" | "==" => Ok((LabelOperator::In, false)),
            "!=" => Ok((LabelOperator::NotIn, false)),
            ">" => Ok((LabelOperator::GreaterThan, false)),
            "<" => Ok((LabelOperator::LessThan, false)),
            _ => Err(expected_in_requirement(&token, "in, notin, =, ==, !=, gt, lt")),
        }
    }

    /// A missing value is the empty one.
    fn exact_value(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        if matches!(self.peek(), Token::End | Token::Symbol(",")) {
            return Ok(BTreeSet::from([String::new()]));
        }
        match self.next() {
            Token::Word(value) => Ok(BTreeSet::from([value])),
            other => Err(expected_in_requirement(&other, "identifier")),
        }
    }

    /// `(a,b)`; `()` and omitted elements stand for the empty value.
    fn values(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        let token = self.next();
        if token != Token::Symbol("(") {
            let SelectorError::Expected {
                found,
                in_requirement,
                ..
            } = expected_in_requirement(&token, "")
            else {
                unreachable!("the constructor makes one variant")
            };
            return Err(SelectorError::Expected {
                found,
                expected: "'('",
                separator: "",
                in_requirement,
            });
        }
        match self.peek() {
            Token::Symbol(")") => {
                self.next();
                return Ok(BTreeSet::from([String::new()]));
            }
            Token::Word(_) | Token::Symbol(",") => {}
            other => return Err(expected_in_requirement(&other, "',', ')' or identifier")),
        }
        let mut values = BTreeSet::new();
        loop {
            match self.next() {
                Token::Word(value) => {
                    values.insert(value);
                    match self.peek() {
                        Token::Symbol(",") => {}
                        Token::Symbol(")") => break,
                        other => return Err(expected_in_requirement(&other, "',' or ')'")),
                    }
                }
                Token::Symbol(",") => {
                    if values.is_empty() || matches!(self.peek(), Token::Symbol("," | ")")) {
                        values.insert(String::new());
                    }
                    if self.peek() == Token::Symbol(")") {
                        break;
                    }
                }
                other => return Err(expected_in_requirement(&other, "',', or identifier")),
            }
        }
        self.next();
        Ok(values)
    }
}

fn expected(found: &Token, expected: &'static str) -> SelectorError {
    SelectorError::Expected {
        found: found.text().to_owned(),
        expected,
        separator: ",",
        in_requirement: false,
    }
}

fn expected_in_requirement(found: &Token, expected: &'static str) -> SelectorError {
    SelectorError::Expected {
        found: found.text().to_owned(),
        expected,
        separator: ",",
        in_requirement: true,
    }
}
