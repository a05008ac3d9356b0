module gamekeeper.dev/e2e/foreign/udp-server

go 1.26
