package main

import (
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"
)

// maxNodes is how many nodes of a cluster a URL may name.
const maxNodes = 16

// address is where the store is: all nodes have the same user and password.
type address struct {
	nodes   []*redis.Options
	cluster bool
}

// parseURL reads the address of a store. No error shows any of it, for it has a password.
func parseURL(text string) (address, error) {
	scheme, rest, found := strings.Cut(text, "://")
	scheme, cluster := strings.CutSuffix(scheme, "-cluster")
	switch {
	case !found || scheme != "redis" && scheme != "rediss":
		return address{}, errors.New("it begins with none of redis://, rediss://, redis-cluster://, rediss-cluster://")
	case strings.ContainsAny(rest, "?#"):
		return address{}, errors.New("it has a query or a fragment; if they belong to the password, they must be percent-encoded")
	}
	authority, database, _ := strings.Cut(rest, "/")
	at := strings.LastIndex(authority, "@") + 1
	user, hosts := authority[:at], strings.Split(authority[at:], ",")
	switch {
	case cluster && database != "":
		return address{}, errors.New("a cluster has no databases")
	case cluster && len(hosts) > maxNodes:
		return address{}, errors.New("it names too many nodes of the cluster: the others are found")
	case !cluster && len(hosts) > 1:
		return address{}, errors.New("it names several hosts and is not that of a cluster")
	}
	parsed := address{cluster: cluster}
	for _, host := range hosts {
		if host == "" {
			return address{}, errors.New("it names no host")
		}
		node, err := redis.ParseURL(scheme + "://" + user + host + "/" + database)
		if err != nil {
			return address{}, errors.New("user, password, host, port or database cannot be read; special characters must be percent-encoded")
		}
		parsed.nodes = append(parsed.nodes, node)
	}
	return parsed, nil
}
