//! Generates the control protocol's code.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // No protoc on the machine: protox is a protobuf compiler in Rust.
    let descriptors = protox::compile(["proto/control.proto"], ["proto"])?;
    println!("cargo::rerun-if-changed=proto");
    // Ordered maps: the same message is always the same bytes.
    tonic_prost_build::configure().btree_map(".").compile_fds(descriptors)?;
    Ok(())
}
