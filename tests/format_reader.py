#!/usr/bin/env python3
"""Reads a pool from its media alone, written from docs/format.md and from nothing else.

    format_reader.py MEDIA list             a line per file: type mode uid gid links size allocated inode path [-> target]
    format_reader.py MEDIA extract DIR      files, directories and links into an empty directory
    format_reader.py MEDIA find PATH...     the inodes that paths lead to, by their names' hashes
    format_reader.py MEDIA attributes PATH  name=value of each extended attribute
    format_reader.py MEDIA commit SECONDS [nosum]   leaves a committed transaction in a lane: the root's mtime
Whatever does not fit the description ends it with an error.
"""
import functools, mmap, os, re, stat, struct, sys

PAGE = 4096
EMPTY, LEAF, TABLE, UNWRITTEN = range(4)
M64 = (1 << 64) - 1


def check(good, what):
    if not good:
        sys.exit("format_reader.py: " + what)


# ---- checksums -------------------------------------------------------------------------------------

CRC = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
    CRC.append(n)


def crc32c(data, seed=0):
    crc = ~seed & 0xFFFFFFFF
    for b in data:
        crc = CRC[(crc ^ b) & 255] ^ crc >> 8
    return ~crc & 0xFFFFFFFF


def read64(b, at):
    return int.from_bytes(b[at:at + 8], "little")


def read32(b, at):
    return int.from_bytes(b[at:at + 4], "little")


P32 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
P64 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5


@functools.cache
def xxh3_secret():
    """The 192 bytes that XXH3 begins with, which its header has."""
    text = open("/usr/include/xxhash.h").read()
    text = re.search(r"XXH3_kSecret\[\w+\]\s*=\s*\{(.*?)\}", text, re.S).group(1)
    return bytes(int(x, 16) for x in re.findall(r"0x[0-9a-f]{2}", text))


def fold(a, b):
    p = a * b
    return (p ^ p >> 64) & M64


def avalanche(h):
    h = (h ^ h >> 37) * 0x165667919E3779F9 & M64
    return h ^ h >> 32


def avalanche64(h):
    h = (h ^ h >> 33) * P64[1] & M64
    h = (h ^ h >> 29) * P64[2] & M64
    return h ^ h >> 32


def xxh3_long(b, seed, secret):
    words = [read64(secret, 8 * i) for i in range(24)]
    mine = b"".join(((w - seed if i % 2 else w + seed) & M64).to_bytes(8, "little") for i, w in enumerate(words))
    acc = [P32[2], P64[0], P64[1], P64[2], P64[3], P32[1], P64[4], P32[0]]
    stripes = [(64 * i, 8 * i) for i in range((len(b) - 1) // 64)] + [(len(b) - 64, 192 - 64 - 7)]
    for at, key_at in stripes:
        for i in range(8):
            data = read64(b, at + 8 * i)
            key = data ^ read64(mine, key_at + 8 * i)
            acc[i ^ 1] = acc[i ^ 1] + data & M64
            acc[i] = acc[i] + (key & 0xFFFFFFFF) * (key >> 32) & M64
    h = len(b) * P64[0]
    for i in range(0, 8, 2):
        h += fold(acc[i] ^ read64(mine, 11 + 8 * i), acc[i + 1] ^ read64(mine, 19 + 8 * i))
    return avalanche(h & M64)


def xxh3(b, seed, secret):
    """XXH3_64bits_withSeed() of 1 to 255 bytes."""
    n = len(b)

    def flip(at):
        return read64(secret, at) ^ read64(secret, at + 8)

    def mix(at, key):
        return fold(read64(b, at) ^ read64(secret, key) + seed & M64,
                    read64(b, at + 8) ^ read64(secret, key + 8) - seed & M64)
    if n <= 3:
        c = b[0] << 16 | b[n >> 1] << 24 | b[n - 1] | n << 8
        return avalanche64(c ^ (read32(secret, 0) ^ read32(secret, 4)) + seed & M64)
    if n <= 8:
        seed ^= int.from_bytes((seed & 0xFFFFFFFF).to_bytes(4, "little"), "big") << 32
        h = (read32(b, n - 4) + (read32(b, 0) << 32)) ^ flip(8) - seed & M64
        h ^= (h << 49 | h >> 15) & M64 ^ (h << 24 | h >> 40) & M64
        h = h * 0x9FB21C651E98DF25 & M64
        h = (h ^ (h >> 35) + n) * 0x9FB21C651E98DF25 & M64
        return h ^ h >> 28
    if n <= 16:
        lo, hi = read64(b, 0) ^ flip(24) + seed & M64, read64(b, n - 8) ^ flip(40) - seed & M64
        return avalanche(n + int.from_bytes(lo.to_bytes(8, "little"), "big") + hi + fold(lo, hi) & M64)
    if n <= 128:
        h = n * P64[0]
        for i in range((n - 1) // 32, -1, -1):
            h += mix(16 * i, 32 * i) + mix(n - 16 * (i + 1), 32 * i + 16)
        return avalanche(h & M64)
    if n <= 240:
        h = avalanche(n * P64[0] + sum(mix(16 * i, 16 * i) for i in range(8)) & M64)
        h += sum(mix(16 * i, 16 * (i - 8) + 3) for i in range(8, n // 16)) + mix(n - 16, 136 - 17)
        return avalanche(h & M64)
    return xxh3_long(b, seed, secret)


# ---- the pool --------------------------------------------------------------------------------------

class Inode:
    pass


class Pool:
    def __init__(self, path, write=False):
        with open(path, "r+b" if write else "rb") as f:
            # What is replayed below is replayed in a private copy.
            self.m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_WRITE if write else mmap.ACCESS_COPY)
        self.superblock()
        self.use()
        if not write:
            self.replay()
        self.high = self.word(2 * PAGE)
        check(self.high >> 32 == crc32c(struct.pack("<I", self.high & 0xFFFFFFFF)), "counters")
        self.high &= 0xFFFFFFFF

    def word(self, at):
        return struct.unpack_from("<Q", self.m, at)[0]

    def superblock(self):
        for at in (0, 16 * PAGE):
            page = bytes(self.m[at:at + PAGE])
            magic, version, crc = struct.unpack_from("<8sII", page)
            if magic == b"\0pinfold" and version == 2 and crc == crc32c(page[:12] + bytes(4) + page[16:]):
                break
        else:
            check(False, "no superblock")
        check(read64(page, 32) == 0, "features that are not known")
        self.uuid = page[16:32]
        (self.bytes, self.granule, self.flags, self.created, self.lanes_at, self.lanes, self.inodes_at, self.inodes, self.nodes_at, self.nodes,
         self.data_at, self.data_pages) = struct.unpack_from("<12Q", page, 48)

    def use(self):
        good = []
        for at in (PAGE, PAGE + 2048):
            record = bytes(self.m[at:at + 64])
            crc, state, sequence = struct.unpack_from("<IIQ", record)
            if sequence and state <= 1 and crc == crc32c(record[4:]):
                good.append((sequence, state))
        check(good, "no use record")
        self.open = max(good)[1]

    def replay(self):
        for lane in range(self.lanes):
            at = self.lanes_at + lane * 16384
            word = self.word(at)
            count = word & 0xFFFF
            if not 0 < count <= 1000:
                continue
            if word & 1 << 31:
                if word != count | 1 << 31:
                    continue
            elif word >> 32 != crc32c(self.m[at + 64:at + 64 + 16 * count], word >> 16 & 0x7FFF):
                continue
            for i in range(count):
                offset, value = struct.unpack_from("<QQ", self.m, at + 64 + 16 * i)
                check(offset % 8 == 0 and (2 * PAGE <= offset < 3 * PAGE or self.lanes_at + self.lanes * 16384 <= offset < self.data_at),
                      "a transaction that changes no metadata")
                struct.pack_into("<Q", self.m, offset, value)

    def node(self, number):
        check(0 < number < self.nodes, "no such node")
        return self.nodes_at + number * PAGE

    def entry(self, inode, index, word):
        """(kind, order or level, pfn or node) of a word that is said to be the entry for this index."""
        if not word:
            return EMPTY, 0, 0
        crc = crc32c(struct.pack("<IIQQ", inode.number, inode.generation, index, word & (1 << 48) - 1))
        check(word >> 48 == (crc ^ crc >> 16) & 0xFFFF and not word & 0x80, "inode %d: entry for %x" % (inode.number, index))
        return word & 3, word >> 2 & 31, word >> 8 & (1 << 40) - 1

    def inode(self, number):
        at = self.inodes_at + 256 * number
        check(0 < number < self.high, "no such inode")
        raw = bytes(self.m[at:at + 256])
        i = Inode()
        i.number, i.raw, i.root = number, raw, read64(raw, 0)
        i.inlined = struct.unpack_from("<16Q", raw, 8)
        crc, i.size, state, i.shrink_to, i.atime, i.mtime, i.ctime, i.btime, mode_uid, gid_nlink, i.parent, i.key, i.xattr, i.shrink_end, i.pages = \
            struct.unpack_from("<15Q", raw, 136)
        i.state, i.flags, i.generation = state & 255, state >> 8 & 0xFFFFFF, state >> 32
        i.mode, i.uid, i.gid, i.nlink = mode_uid & 0xFFFFFFFF, mode_uid >> 32, gid_nlink & 0xFFFFFFFF, gid_nlink >> 32
        link = crc32c(raw[8:136]) if stat.S_ISLNK(i.mode) else 0
        check(not any(raw[136:248]) or crc == crc32c(raw[144:248], link), "inode %d: checksum" % number)
        return i

    # ---- files

    def map_entry(self, inode, index, word, level):
        """(first index, pages, pfn or None if they read as zeros) of what is below an entry of a node of this level."""
        kind, order, target = self.entry(inode, index, word)
        if kind in (LEAF, UNWRITTEN):
            check(level == 0 and order <= 8 or level == 1 and order == 9, "a leaf where none can be")
            check(self.data_at <= target * PAGE < self.data_at + self.data_pages * PAGE, "a page outside")
            yield index, 512 ** level, target if kind == LEAF else None
        elif kind == TABLE:
            check(order == level - 1, "a node where none can be")
            at = self.node(target)
            for slot, below in enumerate(struct.unpack_from("<512Q", self.m, at)):
                if below:
                    yield from self.map_entry(inode, index + slot * 512 ** order, below, order)

    def map(self, inode):
        if inode.root:
            level = (inode.root >> 2 & 31) + 1
            check(level <= 5, "a tree too high")
            yield from self.map_entry(inode, 0, inode.root, level)
        else:
            for index, word in enumerate(inode.inlined):
                yield from self.map_entry(inode, index, word, 0)

    def pages(self, inode):
        kind, _, count = self.entry(inode, 1 << 62 | 2, inode.pages)
        check(kind in (EMPTY, LEAF) and count == sum(n for _, n, _ in self.map(inode)), "inode %d: number of pages" % inode.number)
        if inode.flags & 96 and inode.state != 3:
            align = PAGE * 512 ** ((inode.flags >> 5 & 3) - 1)
            places = {pfn - index if pfn is not None else None for index, _, pfn in self.map(inode)}
            check(len(places) == 1 and None not in places, "device %d: in one piece" % inode.number)
            check(count * PAGE == inode.size and not inode.size % align and not places.pop() * PAGE % align, "device %d: its place and size" % inode.number)
        return count

    def copy(self, inode, out):
        for index, n, pfn in self.map(inode):
            start = index * PAGE
            end = min(start + n * PAGE, inode.size)
            if pfn is not None and start < end:
                out.seek(start)
                out.write(self.m[pfn * PAGE:pfn * PAGE + end - start])
        out.truncate(inode.size)
        if inode.flags & 16 and inode.shrink_to < inode.size:
            out.seek(inode.shrink_to)
            out.write(bytes(min(inode.shrink_end, inode.size) - inode.shrink_to))

    def target(self, inode):
        if inode.size <= 128:
            return inode.raw[8:8 + inode.size]
        kind, _, number = self.entry(inode, 1 << 62, inode.root)
        check(kind == LEAF, "a link without its node")
        at = self.node(number)
        text = bytes(self.m[at:at + inode.size])
        check(inode.inlined[0] == crc32c(text), "a link's checksum")
        return text

    def attributes(self, inode):
        kind, _, number = self.entry(inode, 1 << 62 | 1, inode.xattr)
        if kind == EMPTY:
            return
        at = self.node(number)
        crc, used, count, ino, generation = struct.unpack_from("<IHHII", self.m, at)
        check(used <= 4080 and crc == crc32c(self.m[at + 4:at + 16 + used]), "attributes' checksum")
        check((ino, generation) == (inode.number, inode.generation), "another inode's attributes")
        at += 16
        for _ in range(count):
            name, zero, value = struct.unpack_from("<BBH", self.m, at)
            yield bytes(self.m[at + 4:at + 4 + name]), bytes(self.m[at + 4 + name:at + 4 + name + value])
            at += 4 + name + value

    # ---- directories

    def bucket(self, inode, number):
        at = self.node(number)
        owner, heads, used = struct.unpack_from("<QQQ", self.m, at)
        check(owner == inode.number | inode.generation << 32, "another directory's bucket")
        for granule in range(2, 64):
            if not heads >> granule & 1:
                check(self.m[at + 64 + granule] == 0, "a fingerprint without an entry")
                continue
            what, key, sum = struct.unpack_from("<QQQ", self.m, at + 64 * granule)
            length = what >> 32 & 255
            begin = at + 64 * granule + 24
            name = bytes(self.m[begin:begin + length])
            check(length and sum & 0xFFFFFFFF == crc32c(struct.pack("<QQ", what, key) + name), "an entry's checksum")
            check(self.m[at + 64 + granule] == (key >> 4 & 255 or 1), "a fingerprint")
            mask = (1 << (24 + length + 63) // 64) - 1
            check(used >> granule & mask == mask, "granules that are not in use")
            yield key, name, what & 0xFFFFFFFF, sum >> 32, what >> 40 << 12

    def buckets(self, inode, word, depth, first):
        kind, order, target = self.entry(inode, first, word)
        if kind == LEAF:
            yield from self.bucket(inode, target)
        elif kind == TABLE:
            check(order == depth and depth < 6, "a table where none can be")
            words = struct.unpack_from("<512Q", self.m, self.node(target))
            slot = 0
            while slot < 512:
                yield from self.buckets(inode, words[slot], depth + 1, first | slot << 54 - 9 * depth)
                slot += 512 >> (words[slot] >> 2 & 31) if words[slot] & 3 == LEAF else 1

    def entries(self, inode):
        check(stat.S_ISDIR(inode.mode), "no directory")
        found = sorted(self.buckets(inode, inode.root, 0, 0))
        check(len(found) == inode.size, "directory %d has %d entries" % (inode.number, len(found)))
        for key, name, number, generation, type in found:
            child = self.inode(number)
            check(child.state == 1 and child.generation == generation and stat.S_IFMT(child.mode) == type, "a name of something else")
            yield name, child

    def lookup(self, inode, name):
        key = xxh3(name, read64(self.uuid, 0), xxh3_secret()) >> 1 & ~15 or 16
        word, first, depth = inode.root, 0, 0
        while word & 3 == TABLE:
            _, _, target = self.entry(inode, first, word)
            slot = key >> 54 - 9 * depth & 511
            first |= slot << 54 - 9 * depth
            word = self.word(self.node(target) + 8 * slot)
            depth += 1
        kind, _, target = self.entry(inode, first, word)
        if kind == LEAF:
            for other, text, number, _, _ in self.bucket(inode, target):
                if other & ~15 == key and text == name:
                    return self.inode(number)
        check(False, "no %s in directory %d" % (name.decode(), inode.number))

    def walk(self, inode, path=b""):
        yield path or b"/", inode
        if stat.S_ISDIR(inode.mode):
            for name, child in self.entries(inode):
                yield from self.walk(child, path + b"/" + name)


def find(pool, path):
    inode = pool.inode(1)
    for name in os.fsencode(path).split(b"/"):
        if name:
            inode = pool.lookup(inode, name)
    return inode


def list_all(pool):
    for path, i in sorted(pool.walk(pool.inode(1)), key=lambda x: x[0]):
        type = "d" if stat.S_ISDIR(i.mode) else "l" if stat.S_ISLNK(i.mode) else "f"
        allocated = pool.pages(i) * PAGE if type == "f" else 0
        line = "%s %04o %d %d %d %d %d %d " % (type, stat.S_IMODE(i.mode), i.uid, i.gid, i.nlink, i.size, allocated, i.number)
        sys.stdout.buffer.write(line.encode() + path + (b" -> " + pool.target(i) if type == "l" else b"") + b"\n")


def extract(pool, to):
    for path, i in pool.walk(pool.inode(1)):
        at = os.fsencode(to) + path
        if stat.S_ISLNK(i.mode):
            os.symlink(pool.target(i), at)
        elif stat.S_ISREG(i.mode):
            with open(at, "wb") as out:
                pool.copy(i, out)
        elif path != b"/":
            os.mkdir(at)


def commit(path, seconds, sum):
    pool = Pool(path, write=True)
    raw = bytearray(pool.inode(1).raw)
    struct.pack_into("<Q", raw, 176, seconds * 10 ** 9)
    struct.pack_into("<Q", raw, 136, crc32c(raw[144:248]))
    at = pool.inodes_at + 256
    records = struct.pack("<QQQQ", at + 176, read64(raw, 176), at + 136, read64(raw, 136))
    lane = pool.lanes_at + 3 * 16384
    pool.m[lane + 64:lane + 64 + len(records)] = records
    struct.pack_into("<Q", pool.m, lane, 2 | 77 << 16 | crc32c(records, 77) << 32 if sum else 2 | 1 << 31)


def main():
    path, command, *rest = sys.argv[1:]
    if command == "commit":
        return commit(path, int(rest[0]), len(rest) == 1)
    pool = Pool(path)
    if command == "list":
        list_all(pool)
    elif command == "extract":
        extract(pool, rest[0])
    elif command == "find":
        for name in rest:
            print(find(pool, name).number)
    elif command == "attributes":
        for name, value in pool.attributes(find(pool, rest[0])):
            sys.stdout.buffer.write(name + b"=" + value + b"\n")


main()
