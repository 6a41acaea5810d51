//! Real kubectl, three versions: every command of the reference documents that needs no pod, and the
//! everyday ones around secrets.

mod changing;
mod creating;
mod discovering;
mod documents;
mod listing;
mod others;

use strongroom_e2e::Session;

/// One test for each version of kubectl.
macro_rules! with_every_kubectl {
    ($($test:ident),* $(,)?) => {
        mod with_1_20 { $( #[test] fn $test() { super::$test(crate::Session::start("1.20")) } )* }
        mod with_1_32 { $( #[test] fn $test() { super::$test(crate::Session::start("1.32")) } )* }
        mod with_1_36 { $( #[test] fn $test() { super::$test(crate::Session::start("1.36")) } )* }
    };
}
pub(crate) use with_every_kubectl;
