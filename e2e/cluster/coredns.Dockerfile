# The cluster's DNS.
FROM scratch
COPY coredns /coredns
ENTRYPOINT ["/coredns"]
