//! The allocator as a program has it.

#[global_allocator]
static ALLOCATOR: strongroom_hardening::WipingAllocator = strongroom_hardening::WipingAllocator::new();

#[test]
fn a_program_runs_with_it() {
    let mut texts: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    texts.sort();
    texts.truncate(10);
    texts.shrink_to_fit();
    assert_eq!(texts[9], "106");
}
