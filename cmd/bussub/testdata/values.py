"""Values as Python's json and msgpack modules see them: the independent party of python_test.go.

    values.py tools N         JSON lines with numbers as json.dumps and decimal.Decimal write them
    values.py write N A B     N random documents, as msgpack into the file A and as JSON lines into B
    values.py same A B [R]    the msgpack objects of the file A are the values of the JSON lines in B; with R, that file says for each line
                              how many of its numbers were published as others
"""
import base64
import decimal
import json
import math
import random
import sys

import msgpack


class Number(str):
    """The text of a JSON number."""


def loads(line):
    return json.loads(line, parse_int=Number, parse_float=Number)


def unpack(name):
    with open(name, "rb") as f:
        yield from msgpack.Unpacker(f, strict_map_key=False)


def is_float(text):
    """Whether the float nearest to text, to as many digits, is text."""
    written = decimal.Decimal(text)
    digits = max(1, len(written.normalize(decimal.Context(prec=5000)).as_tuple().digits))
    context = decimal.Context(prec=digits, Emax=999999, Emin=-999999)
    return context.create_decimal(decimal.Decimal(float(text))) == written


def number(text, value, rounded):
    whole = not any(c in text for c in ".eE")
    if whole and text != "-0" and -(2**63) <= int(text) < 2**64:
        assert type(value) is int and value == int(text), (text, value)
        return
    f = float(text)
    assert type(value) is float and value == f and math.copysign(1, value) == math.copysign(1, f), (text, value)
    if not is_float(text):
        rounded.append(text)


def same(written, value, rounded):
    if type(written) is Number:
        number(written, value, rounded)
    elif type(written) is dict and list(written) == ["$bytes"] and type(value) is bytes:
        assert base64.b64decode(written["$bytes"]) == value, (written, value)
    elif type(written) is dict:
        assert type(value) is dict and list(written) == list(value), (written, value)
        for k in written:
            same(written[k], value[k], rounded)
    elif type(written) is list:
        assert type(value) is list and len(written) == len(value), (written, value)
        for w, v in zip(written, value):
            same(w, v, rounded)
    else:
        assert type(written) is type(value) and written == value, (written, value)


def check(packed, lines, roundings=None):
    objects = unpack(packed)
    counts = open(roundings) if roundings else None
    n = 0
    with open(lines, encoding="utf-8") as f:
        for line in f:
            rounded = []
            same(loads(line), next(objects), rounded)
            if counts:
                assert int(next(counts)) == len(rounded), (line, rounded)
            n += 1
    assert next(objects, None) is None, "objects are left"
    print(n)


def random_float(r):
    kind = r.randrange(4)
    if kind == 0:
        return r.randrange(-100000, 100000) / 100
    if kind == 1:
        return r.gauss(0, 1) * 10 ** r.randrange(-300, 300)
    if kind == 2:
        return float(r.randrange(2**70))
    return math.ldexp(r.random(), r.randrange(-1074, 1024))


def random_text(r):
    return "".join(r.choice("abc \"\\/\n\t\0é日本🎉\u2028$") for _ in range(r.randrange(40)))


def document(r, depth):
    kind = r.randrange(9 if depth else 7)
    if kind == 0:
        return r.choice([None, True, False])
    if kind == 1:
        return r.randrange(-(2**63), 2**64) >> r.randrange(64)
    if kind in (2, 3):
        return random_float(r)
    if kind in (4, 5):
        return random_text(r)
    if kind == 6:
        return r.randbytes(r.randrange(300))
    if kind == 7:
        return [document(r, depth - 1) for _ in range(r.randrange(20))]
    return {random_text(r) + str(i): document(r, depth - 1) for i in range(r.randrange(2, 20))}


def write(n, packed, lines):
    r = random.Random(1)
    with open(packed, "wb") as a, open(lines, "w", encoding="utf-8") as b:
        for _ in range(n):
            d = document(r, 3)
            a.write(msgpack.packb(d))
            text = json.dumps(d, ensure_ascii=False, default=lambda v: {"$bytes": base64.b64encode(v).decode()})
            b.write(text + "\n")


def tools(n):
    r = random.Random(2)
    for _ in range(n):
        f = random_float(r)
        print(json.dumps({"dumps": [f, r.randrange(-(2**80), 2**80), -0.0, 1e16, 1e-7]}))
        price = decimal.Decimal(r.randrange(10**6)).scaleb(-r.randrange(4))
        print('{"decimal":[%s,%s,%s,%s]}' % (price, price.quantize(decimal.Decimal("0.0001")), decimal.Decimal(f), decimal.Decimal("1E+5")))


command, arguments = sys.argv[1], sys.argv[2:]
if command == "tools":
    tools(int(arguments[0]))
elif command == "write":
    write(int(arguments[0]), *arguments[1:])
else:
    check(*arguments)
