//! Compiles the .proto files with `protox`: no protoc is needed on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "fleet/v1/common.proto",
        "fleet/v1/node.proto",
        "fleet/v1/operator.proto",
        "fleet/v1/enroll.proto",
        "fleet/v1/local.proto",
        "fleet/control/v1/control.proto",
        "fleet/control/v1/diary.proto",
    ];
    for file in files {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(files, ["."])?;
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("fleet_descriptor.bin"), prost::Message::encode_to_vec(&descriptors))?;
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    Ok(())
}
