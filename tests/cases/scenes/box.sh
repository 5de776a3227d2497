# A node of one module, in its own file.
cat >box.toml <<EOF
architecture = "x86_64"
platform = "devm"

[swap-file]
size = 1024
EOF
