"""Checks proofs of a sealed log without the service and its database: Python 3.8 or later, nothing else.

    verify.py PROOF --policy POLICY                 is the record in the log, and what did it say?
    verify.py OLD NEW --tiles DIR --policy POLICY   is the log of checkpoint OLD the beginning of that of NEW?

Exit codes: 0 proven, 1 invalid, 2 wrong use, 3 not enough witnesses. Formats: C2SP tlog-proof, tlog-checkpoint,
tlog-cosignature, signed-note, tlog-policy, tlog-tiles; RFC 9162; Ed25519 as in RFC 8032.
"""
import base64, functools, hashlib, json, os, sys

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
decode = functools.partial(base64.b64decode, validate=True)

def point(raw):
    number = int.from_bytes(raw, "little")
    y, sign = number & (2**255 - 1), number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if len(raw) != 32 or y >= P or (x * x - square) % P or (x == 0 and sign):
        raise ValueError("a key or a signature is not a point of the curve")
    x = x if x & 1 == sign else P - x
    return x, y, 1, x * y % P

def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P

def times(number, p):
    total = (0, 1, 1, 0)
    while number:
        total = add(total, p) if number & 1 else total
        p, number = add(p, p), number >> 1
    return total

def signed(public, message, signature):
    s = int.from_bytes(signature[32:], "little")
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little")
    left = times(s, point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little")))
    right = add(point(signature[:32]), times(h % ORDER, point(public)))
    same = not any((left[i] * right[2] - right[i] * left[2]) % P for i in (0, 1))
    return same and len(signature) == 64 and s < ORDER

def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()

def read_key(text, kind):
    name, key_id, raw = text.split("+", 2)
    raw = decode(raw)
    known = name, sha256(name.encode(), b"\n", raw)[:4], raw[1:]
    if raw[:1] != kind or len(raw) != 33 or known[1].hex() != key_id:
        raise ValueError("not a verifier key of this kind: " + text)
    return known

def read_policy(path):
    logs, witnesses, groups, quorum = [], {}, {}, None
    for line in open(path, encoding="utf-8"):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "log":
            logs.append(read_key(words[1], b"\x01"))
        elif words[0] == "witness":
            witnesses[words[1]] = read_key(words[2], b"\x04")
        elif words[0] == "group" and {*words[3:]} <= {*witnesses, *groups}:
            least = {"any": 1, "all": len(words) - 3}.get(words[2]) or int(words[2])
            groups[words[1]] = least, words[3:]
        elif words[0] == "quorum" and quorum is None and words[1] in {"none", *witnesses, *groups}:
            quorum = words[1]
        else:
            raise ValueError(line.strip())
    if quorum is None or not logs:
        raise ValueError("it has no log or no quorum")
    return logs, witnesses, groups, quorum

def open_checkpoint(note, policy):
    """Give origin, size and root, and whether enough witnesses signed them."""
    logs, witnesses, groups, quorum = policy
    text, lines = (note.rpartition("\n\n")[0] + "\n", note.rpartition("\n\n")[2])
    origin, size, root = text.split("\n")[:3]
    by_log, saw = False, set()
    for _, name, raw in (line.split(" ", 2) for line in lines.splitlines()):
        raw = decode(raw)
        for log in logs:
            if (name, raw[:4]) == log[:2] and name == origin:
                by_log = signed(log[2], text.encode(), raw[4:])
                if not by_log:
                    raise ValueError("the signature of the log is wrong")
        for witness, known in witnesses.items():
            if (name, raw[:4]) == known[:2]:
                stated = f"cosignature/v1\ntime {int.from_bytes(raw[4:12], 'big')}\n{text}"
                if not signed(known[2], stated.encode(), raw[12:]):
                    raise ValueError("the signature of the witness " + name + " is wrong")
                saw.add(witness)
    if not by_log:
        raise ValueError("no log of the policy signed the checkpoint")
    for name, (least, members) in groups.items():  # members come before their group
        saw |= {name} if sum(member in saw for member in members) >= least else set()
    return (origin, int(size), decode(root)), quorum == "none" or quorum in saw

def root_of(index, size, root, proof):
    last = size - 1
    for sibling in proof:
        if not last:
            raise ValueError("the proof is too long")
        if index & 1 or index == last:
            root = sha256(b"\1", sibling, root)
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            root = sha256(b"\1", root, sibling)
        index, last = index >> 1, last >> 1
    return None if last else root

def framed(value):
    if value is None:
        return b"\xff" * 4
    raw = bytes.fromhex(value["hex"]) if isinstance(value, dict) else value.encode()
    return len(raw).to_bytes(4, "big") + raw

def prove(path, policy):
    head, _, note = open(path, encoding="utf-8").read().partition("\n\n")
    version, extra, number, *proof = head.split("\n")
    if (version, extra[:6], number[:6]) != ("c2sp.org/tlog-proof@v1", "extra ", "index "):
        raise ValueError("not a proof with a record")
    (origin, size, root), witnessed = open_checkpoint(note, policy)
    extra, index = json.loads(decode(extra[6:])), int(number[6:])
    entry, record = extra["entry"], extra.get("record", {})
    found = root_of(index, size, sha256(b"\0", entry.encode()), map(decode, proof))
    if not 0 <= index < size or found != root:
        raise ValueError("the entry is not in the log of the checkpoint")
    if "covered" in extra:
        personal = bytes.fromhex(extra.get("personal", ""))
        if record:
            parts = map(framed, record.values())
            personal = sha256(bytes.fromhex(extra["salt"]), *parts, extra["who"].encode())[:16]
        if sha256(personal, bytes.fromhex(extra["covered"]))[:16].hex() != json.loads(entry)["digest"]:
            raise ValueError("the record is not what the digest in the entry stands for")
    elif record:
        raise ValueError("the record is not covered by the entry")
    said = json.dumps({"who": extra["who"], **record}, ensure_ascii=False) if record else ""
    print(f"leaf {index} of {size} in {origin}:\n{entry}\n{said}")
    return witnessed

def leaves(folder, size):
    for number in range((size + 255) // 256):
        width = min(256, size - number * 256)
        groups = [f"{number // 1000**n % 1000:03d}" for n in reversed(range(len(f"{number:,}") // 4 + 1))]
        path = os.path.join(folder, "tile", "0", *("x" + group for group in groups[:-1]), groups[-1])
        paths = [path, *(f"{path}.p/{some}" for some in range(width, 256))]
        raw = open(next(filter(os.path.isfile, paths), path), "rb").read()
        yield from (raw[start : start + 32] for start in range(0, width * 32, 32))

def compare(old, new, folder, policy):
    (first, enough), (second, too) = (
        open_checkpoint(open(path, encoding="utf-8").read(), policy) for path in (old, new))
    if first[0] != second[0] or first[1] > second[1]:
        raise ValueError("the checkpoints are of two logs, or the first is the larger one")
    peaks, hashes = [], leaves(folder, second[1])
    for count in range(second[1] + 1):
        for _, size, expected in (first, second):
            if size == count:
                root = peaks[-1][1] if peaks else sha256()
                for _, peak in peaks[-2::-1]:
                    root = sha256(b"\1", peak, root)
                if root != expected:
                    raise ValueError(f"the tiles do not make the root of the checkpoint of {size} leaves")
        peaks.append((1, next(hashes, b"")))
        while len(peaks) > 1 and peaks[-1][0] == peaks[-2][0]:
            peaks[-2:] = [(2 * peaks[-1][0], sha256(b"\1", peaks[-2][1], peaks[-1][1]))]
    print(f"{first[0]}: the first {first[1]} of {second[1]} leaves are the same")
    return enough and too

def main(words):
    options = dict(zip(words, words[1:]))
    files = [w for w, before in zip(words, ["", *words]) if "--" not in (w[:2], before[:2])]
    try:
        if len(files) != (2 if "--tiles" in options else 1):
            raise ValueError(__doc__)
        policy = read_policy(options["--policy"])
        for path in files:
            open(path).close()
    except (OSError, ValueError, LookupError) as error:
        print(__doc__ if isinstance(error, LookupError) else error, file=sys.stderr)
        return 2
    try:
        enough = compare(*files, options["--tiles"], policy) if "--tiles" in options else prove(*files, policy)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        print(f"INVALID: {error}", file=sys.stderr)
        return 1
    print("proven" if enough else "valid, but not enough witnesses signed it")
    return 0 if enough else 3

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
