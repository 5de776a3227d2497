//! Processes that are confined as the monitor's children are, and then try to get out.
//!
//! This program is both: the tests, and with `--confined ROLE` such a child.

mod attempts;
mod child;
mod dumps;
mod rules;
mod status;

use std::env;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let words: Vec<String> = env::args().collect();
    if let [_, flag, role, folder] = words.as_slice() {
        if flag == child::FLAG {
            return attempts::serve(role, folder.as_ref());
        }
    }
    let mut arguments = Arguments::from_args();
    // They are processes of their own user each, but the machine's processors are few.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    libtest_mimic::run(&arguments, trials()).exit();
}

fn trials() -> Vec<Trial> {
    let tests: [(&str, fn()); 9] = [
        ("rules::each_role_may_do_what_it_is_for", rules::each_role_may_do_what_it_is_for),
        ("rules::no_role_may_do_anything_else", rules::no_role_may_do_anything_else),
        ("rules::a_resolver_is_only_another_user", rules::a_resolver_is_only_another_user),
        ("rules::ends_as_any_program_does", rules::ends_as_any_program_does),
        ("status::nothing_is_left_of_root", status::nothing_is_left_of_root),
        ("status::keeps_exactly_what_it_is_told_to", status::keeps_exactly_what_it_is_told_to),
        ("status::is_refused_to_several_threads", status::is_refused_to_several_threads),
        ("dumps::the_same_user_cannot_read_its_memory", dumps::the_same_user_cannot_read_its_memory),
        ("dumps::a_crash_leaves_no_core", dumps::a_crash_leaves_no_core),
    ];
    let trial = |(name, test): (&str, fn())| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    tests.into_iter().map(trial).collect()
}
