//! Where a room is in Redis.

/// The key of all that is kept of a room, a hash. The braces are Redis Cluster's hash tag: what is between them
/// chooses the shard, so rooms spread over the shards, and other keys about a room can be put beside it.
pub fn room_key(uid: &str) -> String {
    format!("gamekeeper:{{{uid}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uid_is_the_hash_tag() {
        assert_eq!(room_key("0b5e6c1a-77"), "gamekeeper:{0b5e6c1a-77}");
    }
}
