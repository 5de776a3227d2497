//! Has the program be built anew when a node, or a file that it names, was added.

fn main() {
    println!("cargo:rerun-if-changed=nodes");
}
