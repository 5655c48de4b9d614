"""Helper functions `soft.*`, made on demand by name: what hosts have no instruction for, in integer
arithmetic.

    soft.frint.W.RM.EXACT   to an integral value, without a rounding instruction
    soft.cvt.FROM.TO        conversions from and to 16 bits
    soft.fma.W              a * b + c rounded once
    soft.tiny.OP.W          raises underflow if OP's result, the least normal number, was less before rounding

Arguments and results are bits (iN). Rounding mode and flags are the host's.
"""

from __future__ import annotations

from pyqemu.hostgen.emit import UNLIKELY, Emitter, Module, Operand, constant, width_of
from pyqemu.hostgen.fp import BIAS, FRACTION, INEXACT, Fp, infinity, power
from pyqemu.hostgen.host import Host

_WIDE = 192  # bits in which fma is exact, see _fused


def define(name: str, module: Module, host: Host, *, tininess_before: bool) -> None:
    """Adds the function `name` to the module; KeyError if there is no such helper."""
    _, kind, *rest = name.split(".")
    e = Emitter(module)
    fp = Fp(e, host, tininess_before=tininess_before)
    e.begin("entry")
    maker = {"frint": _frint, "cvt": _cvt, "fma": _fma, "tiny": _tiny}[kind]
    parameters, result = maker(fp, rest)
    e.do(f"ret {result}" if result is not None else "ret void")
    ty = result.type if result is not None else "void"
    arguments = ", ".join(str(parameter) for parameter in parameters)
    head = f'define hidden {ty} @"{name}"({arguments}) nounwind strictfp noinline "no-builtins" {{'
    module.functions.append("\n".join([head, *e.finish(), "}"]))


def _parameters(count: int, width: int) -> list[Operand]:
    return [Operand(f"i{width}", f"%p{i}") for i in range(count)]


# --- rounding to integral values -----------------------------------------------------------------


def _frint(fp: Fp, rest: list[str]) -> tuple[list[Operand], Operand]:
    width, rm, exact = int(rest[0]), rest[1], rest[2] == "1"
    (bits,) = _parameters(1, width)
    e = fp.e
    x = fp.as_float(bits)
    large, small, done = e.new_label(), e.new_label(), e.new_label()
    magnitude = e.op("and", bits, (1 << (width - 1)) - 1)
    e.branch(e.icmp("uge", magnitude, power(FRACTION[width], width)), large, small)
    e.begin(large)  # integral already, infinite, or a NaN, which the product makes quiet
    kept = fp.arithmetic("fmul", x, fp.number(x.type, power(0, width)))
    e.jump(done)
    e.begin(small)
    rounded = _round_small(fp, x, bits, rm)
    if exact:
        fp.raise_if(fp.compare("one", rounded, x), INEXACT)
    end = e.label
    e.jump(done)
    e.begin(done)
    return [bits], fp.as_bits(e.phi(x.type, (kept, large), (rounded, end)))


def _truncated(fp: Fp, bits: Operand) -> Operand:
    """Fraction bits cleared; |x| is less than 2^FRACTION."""
    e, width = fp.e, width_of(bits.type)
    magnitude = e.op("and", bits, (1 << (width - 1)) - 1)
    exponent = e.op("sub", e.op("lshr", magnitude, FRACTION[width]), BIAS[width])
    below_one = e.icmp("slt", exponent, 0)
    amount = e.select(below_one, constant(bits.type, 0), exponent)
    fraction = e.op("lshr", constant(bits.type, (1 << FRACTION[width]) - 1), amount)
    whole = e.op("and", bits, e.invert(fraction))
    return e.select(below_one, e.op("and", bits, 1 << (width - 1)), whole)


def _round_small(fp: Fp, x: Operand, bits: Operand, rm: str) -> Operand:
    """All steps are exact, so no flag is raised and no mode matters."""
    e, width = fp.e, width_of(bits.type)
    whole = fp.as_float(_truncated(fp, bits))
    if rm == "z":
        return whole
    rest = fp.arithmetic("fsub", x, whole)
    zero, half = fp.number(x.type, 0), fp.number(x.type, power(-1, width))
    far = e.op("or", fp.compare("ogt", fp.magnitude(rest), half), _odd_tie(fp, whole, rest, half))
    away = {
        "ne": lambda: far,
        "na": lambda: fp.compare("oge", fp.magnitude(rest), half),
        "pi": lambda: fp.compare("ogt", rest, zero),
        "mi": lambda: fp.compare("olt", rest, zero),
    }
    step_away = away[rm]() if rm != "dyn" else _away_by_mode(fp, far, away["pi"](), away["mi"]())
    one = fp.copy_sign(fp.number(x.type, power(0, width)), x)
    stepped = fp.arithmetic("fadd", whole, e.select(step_away, one, zero))
    return fp.copy_sign(e.select(step_away, stepped, whole), x)


def _odd_tie(fp: Fp, whole: Operand, rest: Operand, half: Operand) -> Operand:
    e = fp.e
    tie = fp.compare("oeq", fp.magnitude(rest), half)
    odd = e.icmp("ne", e.op("and", fp.to_signed(whole, "i64"), 1), 0)
    return e.op("and", tie, odd)


def _away_by_mode(fp: Fp, nearest: Operand, up: Operand, down: Operand) -> Operand:
    """Mode 0 nearest-even, 1 up, 2 down, 3 zero."""
    e = fp.e
    mode = fp.host.fp_mode(e)
    never = constant("i1", 0)
    directed = e.select(e.icmp("eq", mode, 1), up, e.select(e.icmp("eq", mode, 2), down, never))
    return e.select(e.icmp("eq", mode, 0), nearest, directed)


# --- half precision ------------------------------------------------------------------------------


def _cvt(fp: Fp, rest: list[str]) -> tuple[list[Operand], Operand]:
    source, target = int(rest[0]), int(rest[1])
    (bits,) = _parameters(1, source)
    return [bits], widen_half(fp, bits, target) if source == 16 else _narrow(fp, bits, target)


def widen_half(fp: Fp, bits: Operand, target: int) -> Operand:
    """Exact; a signalling NaN stays one, its flag is for the operation that uses it."""
    e = fp.e
    wide = e.cast("zext", bits, "i32")
    magnitude = e.op("shl", e.op("and", wide, 0x7FFF), 13)
    scaled = fp.as_bits(fp.arithmetic("fmul", fp.as_float(magnitude), fp.number("float", power(112, 32))))
    special = e.icmp("uge", magnitude, 0x7C00 << 13)
    value = e.select(special, e.op("or", magnitude, 0xFF << 23), scaled)
    sign = e.op("shl", e.op("and", wide, 0x8000), 16)
    single = e.op("or", value, sign)
    if target == 32:
        return single
    payload = e.op("and", e.cast("zext", single, "i64"), (1 << 23) - 1)
    nan = e.op("or", e.op("shl", payload, 29), infinity(64))
    signed = e.op("or", nan, e.op("shl", e.cast("zext", sign, "i64"), 32))
    plain = e.select(special, constant("i32", 0), single)
    return e.select(special, signed, fp.as_bits(fp.convert(fp.as_float(plain), "double")))


def _narrow(fp: Fp, bits: Operand, target: int) -> Operand:
    """Single or double to `target` bits."""
    e = fp.e
    double = fp.as_bits(fp.convert(fp.as_float(bits), "double"))  # a signalling NaN raises invalid here
    if width_of(bits.type) == 64:
        double = fp.as_bits(fp.arithmetic("fmul", fp.as_float(double), fp.number("double", power(0, 64))))
    sign = e.icmp("slt", double, 0)
    magnitude = e.op("and", double, (1 << 63) - 1)
    special, finite, done = e.new_label(), e.new_label(), e.new_label()
    is_special = e.op("or", e.icmp("uge", magnitude, infinity(64)), e.icmp("eq", magnitude, 0))
    e.branch(is_special, special, finite)
    e.begin(special)
    nan = e.icmp("ugt", magnitude, infinity(64))
    ty = f"i{target}"
    quiet = constant(ty, infinity(target) | 1 << (FRACTION[target] - 1))
    limit = e.select(nan, quiet, constant(ty, infinity(target)))
    limit = e.select(e.icmp("eq", magnitude, 0), constant(ty, 0), limit)
    e.jump(done)
    e.begin(finite)
    exponent = e.op("sub", e.cast("trunc", e.op("lshr", magnitude, 52), "i32"), BIAS[64])
    # A denormal double is far below any target: only that it is not zero matters.
    significand = e.op("or", e.op("shl", magnitude, 11), 1 << 63)
    packed = round_and_pack(fp, sign, exponent, significand, target)
    end = e.label
    e.jump(done)
    e.begin(done)
    value = e.phi(ty, (limit, special), (packed, end))
    return e.op("or", value, e.op("shl", e.cast("zext", sign, ty), target - 1))


# --- rounding ------------------------------------------------------------------------------------


def round_and_pack(fp: Fp, sign: Operand, exponent: Operand, significand: Operand, width: int) -> Operand:
    """Magnitude of 1.xxx * 2^exponent (i32) in the current mode, flags raised; the significand's top bit is
    set.
    """
    e = fp.e
    precision, least = FRACTION[width] + 1, 1 - BIAS[width]
    spare = width_of(significand.type) - precision
    mode = fp.host.fp_mode(e)
    below = e.op("sub", constant("i32", least), exponent)
    depth = e.intrinsic("smax", below, constant("i32", 0))
    depth = e.intrinsic("smin", depth, constant("i32", precision + 2))
    kept, inexact = _rounded(e, _jammed(e, significand, depth), spare, sign, mode)
    tiny = e.icmp("sgt", below, 0)
    if not fp.tininess_before:  # with unbounded exponents it would round up to the least normal number
        unbounded, _ = _rounded(e, significand, spare, sign, mode)
        reaches = e.op("and", e.icmp("eq", below, 1), e.icmp("eq", unbounded, 1 << precision))
        tiny = e.op("and", tiny, e.invert(reaches))
    steps = e.intrinsic("smax", e.op("sub", exponent, least), constant("i32", 0))
    steps = e.intrinsic("smin", steps, constant("i32", 2 * BIAS[width]))
    ty = f"i{width}"
    base = e.op("shl", e.resize(steps, ty), FRACTION[width])
    packed = e.op("add", base, e.resize(kept, ty))
    overflow = e.icmp("uge", packed, infinity(width))
    flags = e.select(e.op("and", tiny, inexact), constant("i8", 8 | INEXACT), constant("i8", INEXACT))
    flags = e.select(inexact, flags, constant("i8", 0))
    flags = e.select(overflow, constant("i8", 4 | INEXACT), flags)
    _raise_some(fp, flags)
    away = e.op("or", e.icmp("eq", mode, 0), e.select(sign, e.icmp("eq", mode, 2), e.icmp("eq", mode, 1)))
    limit = e.select(away, constant(ty, infinity(width)), constant(ty, infinity(width) - 1))
    return e.select(overflow, limit, packed)


def _jammed(e: Emitter, value: Operand, amount: Operand) -> Operand:
    """Shifted right, with lost bits kept as a sticky lowest bit; the amount is less than the width."""
    by = e.resize(amount, value.type)
    shifted = e.op("lshr", value, by)
    lost = e.icmp("ne", e.op("shl", shifted, by), value)
    return e.op("or", shifted, e.cast("zext", lost, value.type))


def _rounded(e: Emitter, value: Operand, spare: int, sign: Operand, mode: Operand) -> tuple[Operand, Operand]:
    """Without its `spare` low bits, and whether those were not all zero."""
    kept = e.op("lshr", value, spare)
    rest = e.op("and", value, (1 << spare) - 1)
    half = 1 << (spare - 1)
    odd = e.icmp("ne", e.op("and", kept, 1), 0)
    nearest = e.op("or", e.icmp("ugt", rest, half), e.op("and", e.icmp("eq", rest, half), odd))
    inexact = e.icmp("ne", rest, 0)
    directed = e.select(sign, e.icmp("eq", mode, 2), e.icmp("eq", mode, 1))
    up = e.select(e.icmp("eq", mode, 0), nearest, e.op("and", directed, inexact))
    return e.op("add", kept, e.cast("zext", up, kept.type)), inexact


def _raise_some(fp: Fp, flags: Operand) -> None:
    e = fp.e
    cold, done = e.new_label(), e.new_label()
    e.branch(e.icmp("ne", flags, 0), cold, done)
    e.begin(cold)
    fp.host.fp_raise(e, flags)
    e.jump(done)
    e.begin(done)


# --- fused multiply-add --------------------------------------------------------------------------


def _fma(fp: Fp, rest: list[str]) -> tuple[list[Operand], Operand]:
    """Infinities, NaNs and zero factors go by the host's own operations, one of which is then exact."""
    width = int(rest[0])
    parameters = _parameters(3, width)
    e = fp.e
    magnitudes = [e.op("and", p, (1 << (width - 1)) - 1) for p in parameters]
    wild = [e.icmp("uge", magnitude, infinity(width)) for magnitude in magnitudes]
    zero = e.op("or", e.icmp("eq", magnitudes[0], 0), e.icmp("eq", magnitudes[1], 0))
    special, plain, done = e.new_label(), e.new_label(), e.new_label()
    e.branch(e.op("or", e.op("or", wild[0], wild[1]), e.op("or", wild[2], zero)), special, plain, UNLIKELY)
    e.begin(special)
    host_result = _fma_special(fp, parameters, magnitudes, wild, width)
    special_end = e.label
    e.jump(done)
    e.begin(plain)
    fused = _fused(fp, parameters, magnitudes, width)
    plain_end = e.label
    e.jump(done)
    e.begin(done)
    return parameters, e.phi(f"i{width}", (host_result, special_end), (fused, plain_end))


def _fma_special(
    fp: Fp, parameters: list[Operand], magnitudes: list[Operand], wild: list[Operand], width: int
) -> Operand:
    """With a NaN: their sum. With c infinite and finite factors: c. Else the product is exact: then the
    sum.
    """
    e = fp.e
    ty = f"i{width}"
    zero = constant(ty, 0)
    nans = [e.icmp("ugt", magnitude, infinity(width)) for magnitude in magnitudes]
    any_nan = e.op("or", e.op("or", nans[0], nans[1]), nans[2])
    of_nan, of_number, done = e.new_label(), e.new_label(), e.new_label()
    e.branch(any_nan, of_nan, of_number)
    e.begin(of_nan)
    a, b, c = (_widened(fp, e.select(nan, p, zero)) for nan, p in zip(nans, parameters, strict=True))
    total = fp.arithmetic("fadd", fp.arithmetic("fadd", a, b), c)
    nan_end = e.label
    e.jump(done)
    e.begin(of_number)
    c_alone = e.op("and", wild[2], e.invert(e.op("or", wild[0], wild[1])))
    factors = [_widened(fp, e.select(c_alone, zero, p)) for p in parameters[:2]]
    total2 = fp.arithmetic("fadd", fp.arithmetic("fmul", *factors), _widened(fp, parameters[2]))
    number_end = e.label
    e.jump(done)
    e.begin(done)
    result = fp.as_bits(e.phi(total.type, (total, nan_end), (total2, number_end)))
    if width == 16:
        return e.call("i16", "soft.cvt.32.16", result, attributes="strictfp", declared="hidden")
    return result


def _widened(fp: Fp, bits: Operand) -> Operand:
    return fp.as_float(widen_half(fp, bits, 32) if bits.type == "i16" else bits)


def _unpacked(e: Emitter, magnitude: Operand, width: int) -> tuple[Operand, Operand]:
    """Significand (i64, top bit set unless zero) and exponent (i32) of a finite number, denormals
    normalised.
    """
    fraction = FRACTION[width]
    wide = e.resize(magnitude, "i64")
    field = e.op("lshr", wide, fraction)
    denormal = e.icmp("eq", field, 0)
    hidden = e.select(denormal, constant("i64", 0), constant("i64", 1 << fraction))
    value = e.op("or", e.op("and", wide, (1 << fraction) - 1), hidden)
    zeros = e.call("i64", "llvm.ctlz.i64", value, "i1 false")
    amount = e.op("and", zeros, 63)
    exponent = e.op("sub", e.select(denormal, constant("i64", 1), field), BIAS[width])
    exponent = e.op("sub", exponent, e.op("sub", amount, 63 - fraction))
    return e.op("shl", value, amount), e.cast("trunc", exponent, "i32")


def _fused(fp: Fp, parameters: list[Operand], magnitudes: list[Operand], width: int) -> Operand:
    """Exact sum in 192 bits: product of 128 bits; the smaller one of product and c is shifted right with a
    sticky bit.

    Both start 2 bits below the top. Only where exponents differ by no more than 1 can leading bits cancel
    by more than one place, and then the shift loses nothing: the significands' lowest 22 bits are zeros.
    """
    e = fp.e
    ty = f"i{_WIDE}"
    (ma, ea), (mb, eb), (mc, ec) = (_unpacked(e, magnitude, width) for magnitude in magnitudes)
    product = e.op("mul", e.cast("zext", ma, "i128"), e.cast("zext", mb, "i128"))  # top bit at 126 or 127
    p = e.op("shl", e.cast("zext", product, ty), _WIDE - 130)  # top bit at 188 or 189: 2^(ea+eb) is bit 188
    c = e.op("shl", e.cast("zext", mc, ty), _WIDE - 67)  # 2^ec is bit 188
    ep = e.op("add", ea, eb)
    c_zero = e.icmp("eq", mc, 0)
    exponent_c = e.select(c_zero, ep, ec)
    top = e.intrinsic("smax", ep, exponent_c)
    p = _jammed_far(e, p, e.op("sub", top, ep))
    c = _jammed_far(e, c, e.op("sub", top, exponent_c))
    bits = f"i{width}"
    sign_p = e.icmp("slt", e.op("xor", parameters[0], parameters[1]), 0)
    sign_c = e.icmp("slt", parameters[2], 0)
    signed_p = e.select(sign_p, e.op("sub", constant(ty, 0), p), p)
    signed_c = e.select(sign_c, e.op("sub", constant(ty, 0), c), c)
    total = e.op("add", signed_p, signed_c)
    negative = e.icmp("slt", total, 0)
    size = e.select(negative, e.op("sub", constant(ty, 0), total), total)
    nothing, something, done = e.new_label(), e.new_label(), e.new_label()
    e.branch(e.icmp("eq", size, 0), nothing, something, UNLIKELY)
    e.begin(nothing)  # the terms cancel: +0, or -0 when rounding down
    down = e.icmp("eq", fp.host.fp_mode(e), 2)
    none = e.select(down, constant(bits, 1 << (width - 1)), constant(bits, 0))
    nothing_end = e.label
    e.jump(done)
    e.begin(something)
    zeros = e.call(ty, f"llvm.ctlz.{ty}", size, "i1 false")
    normal = e.op("shl", size, e.op("and", zeros, 255))
    exponent = e.op("sub", e.op("add", top, 3), e.cast("trunc", zeros, "i32"))
    packed = round_and_pack(fp, negative, exponent, normal, width)
    signed = e.op("or", packed, e.op("shl", e.cast("zext", negative, bits), width - 1))
    something_end = e.label
    e.jump(done)
    e.begin(done)
    return e.phi(bits, (none, nothing_end), (signed, something_end))


def _jammed_far(e: Emitter, value: Operand, amount: Operand) -> Operand:
    return _jammed(e, value, e.intrinsic("smin", amount, constant("i32", _WIDE - 1)))


# --- underflow before rounding -------------------------------------------------------------------


def _tiny(fp: Fp, rest: list[str]) -> tuple[list[Operand], None]:
    """Scales the operands so that nothing underflows, and rounds towards zero: less than the scaled least
    normal number means that the result was tiny; the host has raised inexact for it already.
    """
    name, width = rest[0], int(rest[1])
    e = fp.e
    parameters = _parameters({"fma": 3}.get(name, 2), width)
    before = fp.host.fp_flags(e)
    mode = fp.host.fp_mode(e)
    fp.host.fp_set_mode(e, constant("i8", 3))
    numbers = [fp.as_float(p) for p in parameters]
    shift = BIAS[width] // 2
    scale = fp.number(numbers[0].type, power(shift, width))
    # Of two factors the smaller one is scaled, since the other may be large; a quotient's dividend is
    # small enough.
    args = _scaled(fp, name, numbers, scale)
    if name == "fma" and "fma" not in fp.host.level.has:
        bits = [fp.as_bits(arg) for arg in args]
        result = fp.as_float(e.call(f"i{width}", f"soft.fma.{width}", *bits, attributes="strictfp", declared="hidden"))
    else:
        result = fp.arithmetic(name, *args)
    least = fp.number(result.type, power(1 - BIAS[width] + shift, width))
    tiny = fp.compare("olt", fp.magnitude(result), least)
    fp.host.fp_set_mode(e, mode)
    extra = e.select(tiny, constant("i8", 8), constant("i8", 0))
    fp.host.fp_set_flags(e, e.op("or", before, extra))
    return parameters, None


def _scaled(fp: Fp, name: str, numbers: list[Operand], scale: Operand) -> list[Operand]:
    e = fp.e
    a, b, *more = numbers
    if name == "fdiv":
        return [fp.arithmetic("fmul", a, scale), b]
    a_less = fp.compare("olt", fp.magnitude(a), fp.magnitude(b))
    less, greater = e.select(a_less, a, b), e.select(a_less, b, a)
    return [fp.arithmetic("fmul", less, scale), greater, *[fp.arithmetic("fmul", c, scale) for c in more]]
