// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Steers multicast market data into AF_XDP sockets. Each frame ends in exactly one verdict and one
// counter:
//
//   frame                                                        verdict                counter
//   UDP to a (group, port) of `endpoints` from a sender named
//   there, socket on its queue                                   redirect + FrameMeta   redirected
//   the same, no socket on its queue                             pass                   no_socket
//   the same, no room for FrameMeta in front of the frame        pass                   meta_failed
//   the same group and port from a sender not named there        pass, by sender        other_source
//   UDP to any other group outside 224.0.0.0/24                  pass, by (group,port)  unmapped
//   a fragment of UDP to a group outside 224.0.0.0/24            pass                   fragments
//   IPv4 to such a group whose lengths contradict each other     pass                   malformed
//   all else: ARP, IGMP, IPv6, unicast, 224.0.0.0/24             pass                   passed
//
// Passing means the host's own network stack gets the frame as if this program were not here.
//
// A redirected frame always carries fresh metadata: where none can be written the frame is passed,
// so that a consumer never meets a frame without it.
//
// Packet pointers only ever get constant offsets, and lengths come from helpers: arithmetic on
// packet pointers with run-time values needs CAP_PERFMON, and this needs CAP_BPF and CAP_NET_ADMIN
// alone.
//
// Freestanding: what is needed of the kernel's interface is below. The structures of the maps are
// mirrored in layout.rs, which asserts sizes and offsets.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define NUMBER(name, value) int(*name)[value]
#define TYPE(name, type) type *name

// The kernel's interface (linux/bpf.h).

struct xdp_md {
	u32 data;
	u32 data_end;
	u32 data_meta;
	u32 ingress_ifindex;
	u32 rx_queue_index;
	u32 egress_ifindex;
};

enum { XDP_PASS = 2, XDP_REDIRECT = 4 };
enum { MAP_HASH = 1, MAP_PERCPU_ARRAY = 6, MAP_LRU_HASH = 9, MAP_XSKMAP = 17 };
enum { BPF_NOEXIST = 1 };

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_map_update_elem)(void *map, const void *key, const void *value,
				   u64 flags) = (void *)2;
static long (*bpf_redirect_map)(void *map, u64 key, u64 flags) = (void *)51;
static long (*bpf_xdp_adjust_meta)(struct xdp_md *ctx, int delta) = (void *)54;
static u64 (*bpf_ktime_get_boot_ns)(void) = (void *)125;
static u64 (*bpf_xdp_get_buff_len)(struct xdp_md *ctx) = (void *)188;
static long (*bpf_xdp_load_bytes)(struct xdp_md *ctx, u32 offset, void *to,
				  u32 length) = (void *)189;

// What user space shares with us (layout.rs).

struct endpoint {
	u32 group; // as on the wire
	u16 port;  // as on the wire
	u16 zero;
};

#define SENDERS 4

struct sender {
	u32 source; // as on the wire; 0 is any
	u16 partition;
	u8 line;
	u8 used;
};

struct destination {
	struct sender senders[SENDERS];
};

struct other {
	struct endpoint to;
	u32 source; // as on the wire
};

struct frame_meta {
	u32 magic;
	u16 partition;
	u8 line;
	u8 flags;
	u16 payload_offset;
	u16 payload_length;
	u16 ip_offset;
	u16 reserved;
	u64 arrival_ns;
};

struct seen {
	u64 packets;
	u64 bytes;
	u64 last_ns;
};

struct counters {
	u64 redirected;
	u64 no_socket;
	u64 passed;
	u64 unmapped;
	u64 fragments;
	u64 malformed;
	u64 meta_failed;
	u64 other_source;
};

#define FRAME_META_MAGIC 0x4d444e43 // "CNDM" in memory

// The sizes of endpoints and sockets are set by the loader.

struct {
	NUMBER(type, MAP_HASH);
	NUMBER(max_entries, 1024);
	TYPE(key, struct endpoint);
	TYPE(value, struct destination);
} endpoints SEC(".maps");

struct {
	NUMBER(type, MAP_XSKMAP);
	NUMBER(max_entries, 64);
	TYPE(key, u32);
	TYPE(value, u32);
} sockets SEC(".maps");

struct {
	NUMBER(type, MAP_LRU_HASH);
	NUMBER(max_entries, 1024);
	TYPE(key, struct endpoint);
	TYPE(value, struct seen);
} unmapped SEC(".maps");

struct {
	NUMBER(type, MAP_LRU_HASH);
	NUMBER(max_entries, 1024);
	TYPE(key, struct other);
	TYPE(value, struct seen);
} others SEC(".maps");

struct {
	NUMBER(type, MAP_PERCPU_ARRAY);
	NUMBER(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, struct counters);
} counters SEC(".maps");

// Headers on the wire. All multi-byte fields are big-endian.

struct ethernet {
	u8 target[6];
	u8 source[6];
	u16 type;
} __attribute__((packed));

struct vlan_tag {
	u16 control;
	u16 type; // of what follows
} __attribute__((packed));

struct ipv4 {
	u8 version_and_words;
	u8 service;
	u16 length;
	u16 id;
	u16 fragment;
	u8 hops;
	u8 protocol;
	u16 checksum;
	u32 source;
	u32 group;
} __attribute__((packed));

struct udp {
	u16 source_port;
	u16 port;
	u16 length;
	u16 checksum;
} __attribute__((packed));

#define BE16(value) ((u16)__builtin_bswap16(value))
#define BE32(value) ((u32)__builtin_bswap32(value))

enum { TYPE_IPV4 = 0x0800, TYPE_VLAN = 0x8100, TYPE_SERVICE_VLAN = 0x88a8 };
enum { PROTOCOL_UDP = 17, IPV4_FRAGMENT = 0x3fff /* more fragments, or an offset */ };

// Where a frame's parts lie, in bytes from its first.
struct place {
	u32 ip;
	u32 payload;
	u32 payload_length;
};

// The frame's metadata goes in front of its first byte, and only once the kernel has a socket for
// it.
INLINE int redirect(struct xdp_md *ctx, const struct sender *to, const struct place *at,
		    struct counters *count)
{
	if (bpf_redirect_map(&sockets, ctx->rx_queue_index, XDP_PASS) != XDP_REDIRECT) {
		count->no_socket++;
		return XDP_PASS;
	}
	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(struct frame_meta))) {
		count->meta_failed++;
		return XDP_PASS;
	}
	void *data = (void *)(long)ctx->data;
	struct frame_meta *meta = (void *)(long)ctx->data_meta;
	if ((void *)(meta + 1) > data) {
		count->meta_failed++;
		return XDP_PASS;
	}
	meta->magic = FRAME_META_MAGIC;
	meta->partition = to->partition;
	meta->line = to->line;
	meta->flags = 0;
	meta->payload_offset = at->payload;
	meta->payload_length = at->payload_length;
	meta->ip_offset = at->ip;
	meta->reserved = 0;
	meta->arrival_ns = bpf_ktime_get_boot_ns();
	count->redirected++;
	return XDP_REDIRECT;
}

// Notes in a map of `struct seen` that a frame with this key was passed.
INLINE int note(void *map, const void *key, u32 frame_length)
{
	struct seen *seen = bpf_map_lookup_elem(map, key);
	if (!seen) {
		struct seen none = {};
		// Another CPU may have been first: then its entry stays, and both are counted below.
		bpf_map_update_elem(map, key, &none, BPF_NOEXIST);
		seen = bpf_map_lookup_elem(map, key);
		if (!seen)
			return XDP_PASS;
	}
	__sync_fetch_and_add(&seen->packets, 1);
	__sync_fetch_and_add(&seen->bytes, frame_length);
	seen->last_ns = bpf_ktime_get_boot_ns();
	return XDP_PASS;
}

// The line of a destination that this sender's frames are; none where it is nobody's.
INLINE const struct sender *sender_of(const struct destination *to, u32 source)
{
#pragma unroll
	for (int i = 0; i < SENDERS; i++) {
		const struct sender *sender = &to->senders[i];
		if (sender->used && (!sender->source || sender->source == source))
			return sender;
	}
	return 0;
}

// A frame whose IPv4 header starts at `at`, a constant after inlining.
INLINE int steer(struct xdp_md *ctx, u32 at, struct counters *count)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct ipv4 *ip = data + at;
	if ((void *)(ip + 1) > end) {
		count->passed++; // too short to tell whether it is ours
		return XDP_PASS;
	}
	u32 group = BE32(ip->group);
	if (ip->protocol != PROTOCOL_UDP || group >> 28 != 0xe || group >> 8 == 0xe00000) {
		count->passed++;
		return XDP_PASS;
	}
	if (ip->fragment & BE16(IPV4_FRAGMENT)) {
		count->fragments++;
		return XDP_PASS;
	}
	u32 frame_length = bpf_xdp_get_buff_len(ctx);
	u32 ip_length = BE16(ip->length);
	u32 udp_at = sizeof(struct ipv4);
	struct udp udp;
	if (ip->version_and_words == 0x45 && (void *)(ip + 1) + sizeof(struct udp) <= end) {
		udp = *(struct udp *)(ip + 1);
	} else {
		// Options, or a header that a driver has split: rare, so a helper with a run-time offset.
		udp_at = (ip->version_and_words & 0xf) * 4;
		if (ip->version_and_words >> 4 != 4 || udp_at < sizeof(struct ipv4) ||
		    bpf_xdp_load_bytes(ctx, at + udp_at, &udp, sizeof(udp))) {
			count->malformed++;
			return XDP_PASS;
		}
	}
	u32 udp_length = BE16(udp.length);
	if (udp_length < sizeof(struct udp) || udp_at + udp_length > ip_length ||
	    at + ip_length > frame_length) {
		count->malformed++;
		return XDP_PASS;
	}
	struct endpoint key = { .group = ip->group, .port = udp.port };
	u32 source = ip->source;
	const struct destination *to = bpf_map_lookup_elem(&endpoints, &key);
	if (!to) {
		count->unmapped++;
		return note(&unmapped, &key, frame_length);
	}
	const struct sender *sender = sender_of(to, source);
	if (!sender) {
		struct other other = { .to = key, .source = source };
		count->other_source++;
		return note(&others, &other, frame_length);
	}
	struct place place = {
		.ip = at,
		.payload = at + udp_at + sizeof(struct udp),
		.payload_length = udp_length - sizeof(struct udp),
	};
	return redirect(ctx, sender, &place, count);
}

INLINE int is_vlan(u16 type)
{
	return type == BE16(TYPE_VLAN) || type == BE16(TYPE_SERVICE_VLAN);
}

INLINE int pass(struct counters *count)
{
	count->passed++;
	return XDP_PASS;
}

SEC("xdp.frags") int candor(struct xdp_md *ctx)
{
	u32 zero = 0;
	struct counters *count = bpf_map_lookup_elem(&counters, &zero);
	if (!count)
		return XDP_PASS;
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct ethernet *ethernet = data;
	if ((void *)(ethernet + 1) > end)
		return pass(count);
	if (ethernet->type == BE16(TYPE_IPV4))
		return steer(ctx, sizeof(struct ethernet), count);
	if (!is_vlan(ethernet->type))
		return pass(count);
	struct vlan_tag *outer = (void *)(ethernet + 1);
	if ((void *)(outer + 1) > end)
		return pass(count);
	if (outer->type == BE16(TYPE_IPV4))
		return steer(ctx, sizeof(struct ethernet) + sizeof(struct vlan_tag), count);
	if (!is_vlan(outer->type))
		return pass(count);
	struct vlan_tag *inner = outer + 1;
	if ((void *)(inner + 1) > end)
		return pass(count);
	if (inner->type == BE16(TYPE_IPV4))
		return steer(ctx, sizeof(struct ethernet) + 2 * sizeof(struct vlan_tag), count);
	return pass(count);
}

char terms[] SEC("license") = "Apache-2.0 OR MIT";
