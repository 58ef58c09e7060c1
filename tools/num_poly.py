#!/usr/bin/env python3
"""Prints the constants of src/num/poly.h and src/num/math.c, as C hexadecimal floats (needs mpmath; about a minute).

    python3 tools/num_poly.py [NAME …]

Minimax polynomials by the Remez exchange algorithm, in 200 bits; then the coefficients are rounded to the target's
precision, either all at once, or one by one, lowest degree first, with the others fitted again after each, so that
later coefficients make good what rounding did to the earlier ones; whichever comes out better."""
import sys

from mpmath import atanh, cos, erf, erfc, exp, expm1, floor, frexp, ldexp, log, log1p, lu_solve, matrix, mp, mpf
from mpmath import nint, nstr, pi, sin, sqrt, tanh

mp.prec = 200


def rounded(x, bits):
    if x == 0:
        return mpf(0)
    m, e = frexp(x)
    return ldexp(nint(ldexp(m, bits)), int(e) - bits)


def c_hex(x, suffix=""):
    m, e = float(x).hex().split("p")
    if "." in m:
        m = m.rstrip("0").rstrip(".")
    return f"{m}p{int(e)}{suffix}"


def remez(f, weight, var, degrees, a, b):
    """Coefficients c that minimise max |weight(x)·(Σ c_d·var(x)^d − f(x))| on [a, b], and that maximum."""
    n = len(degrees)
    grid = [(a + b) / 2 - (b - a) / 2 * cos(pi * i / (48 * n)) for i in range(48 * n + 1)]
    rows = [(f(x), weight(x), var(x)) for x in grid]
    at = [48 * i for i in range(n + 1)]
    for _ in range(40):
        lhs, rhs = matrix(n + 1, n + 1), matrix(n + 1, 1)
        for i, k in enumerate(at):
            fx, w, v = rows[k]
            for j, d in enumerate(degrees):
                lhs[i, j] = w * v ** d
            lhs[i, n] = (-1) ** i
            rhs[i] = w * fx
        c = lu_solve(lhs, rhs)
        error = [w * (sum(c[j] * v ** d for j, d in enumerate(degrees)) - fx) for fx, w, v in rows]
        peaks = []      # the largest error of each run of one sign
        for k, e in enumerate(error):
            if peaks and error[peaks[-1]] * e > 0:
                if abs(e) > abs(error[peaks[-1]]):
                    peaks[-1] = k
            elif e != 0:
                peaks.append(k)
        while len(peaks) > n + 1:
            peaks.pop(0 if abs(error[peaks[0]]) < abs(error[peaks[-1]]) else -1)
        if len(peaks) < n + 1 or peaks == at:
            break
        at = peaks
    return [c[j] for j in range(n)], max(abs(e) for e in error)


def fit(name, bits, f, weight, degrees, a, b, var=lambda x: x):
    a, b, left, one_by_one = mpf(a), mpf(b), list(degrees), {}
    grid = [a + (b - a) * i / 1000 for i in range(1001)]
    error = lambda fixed: max(abs(weight(x) * (sum(v * var(x) ** d for d, v in fixed.items()) - f(x))) for x in grid)
    c, best = remez(f, weight, var, left, a, b)
    at_once = {d: rounded(v, bits) for d, v in zip(left, c)}
    while left:
        one_by_one[left[0]] = rounded(c[0], bits)
        left = left[1:]
        if left:
            c, _ = remez(lambda x: f(x) - sum(v * var(x) ** d for d, v in one_by_one.items()), weight, var, left, a, b)
    fixed = min(at_once, one_by_one, key=error)
    print(f"{name}: error 2^{nstr(log(best, 2), 4)}, with rounded coefficients 2^{nstr(log(error(fixed), 2), 4)}")
    for d, v in fixed.items():
        print(f"    {d:2}  {c_hex(v, 'f' if bits == 24 else '')}")


def double_double(name, x):
    hi = rounded(x, 53)
    print(f"{name}: {c_hex(hi)} + {c_hex(rounded(x - hi, 53))}")


def split(name, x, bits, low):
    hi = floor(ldexp(x, bits)) / mpf(2) ** bits
    print(f"{name}: hi {c_hex(hi)}, lo {c_hex(rounded(x - hi, low))}")


square = lambda x: x * x
HALF_LN2 = log(2) / 2 * mpf("1.0001")
QUARTER_PI = pi / 4 * mpf("1.0001")
TINY = mpf(2) ** -12


def quotient(num, den, limit):
    """num/den, with its limit at 0."""
    return lambda x: num(x) / den(x) if x != 0 else mpf(limit)


def expf():
    split("ln 2", log(2), 15, 24)
    print("log2 e:", c_hex(rounded(1 / log(2), 24), "f"))
    fit("expf C2…C6", 24, quotient(lambda r: exp(r) - 1 - r, square, 0.5), lambda r: r * r * exp(-r), range(5),
        -HALF_LN2, HALF_LN2)


def tanhf():
    fit("tanhf T0…T4", 24, lambda x: (tanh(x) - x) / x ** 3, lambda x: x ** 3 / tanh(x), range(5), TINY, 0.625,
        square)


def logf():
    fit("logf P0…P8", 24, quotient(lambda f: log1p(f) - f + f * f / 2, lambda f: f ** 3, mpf(1) / 3),
        quotient(lambda f: f ** 3, log1p, 0), range(9), sqrt(mpf(0.5)) - 1, sqrt(mpf(2)) - 1)


def erff():
    fit("erff S0…S6", 24, lambda x: erf(x) / x - 1, lambda x: x / erf(x), range(7), TINY, 1, square)
    fit("erff L0…L6", 24, lambda x: -log(erfc(x)), erfc, range(7), 1, 4)


def exp_double():
    split("ln 2", log(2), 32, 53)
    print("log2 e:", c_hex(rounded(1 / log(2), 53)))
    fit("exp: (e^r − 1 − r − r²/2)/r³", 53,
        quotient(lambda r: expm1(r) - r - r * r / 2, lambda r: r ** 3, mpf(1) / 6), lambda r: r * r, range(11),
        -HALF_LN2, HALF_LN2)


def log_double():
    double_double("1/3", mpf(1) / 3)
    double_double("1/5", mpf(1) / 5)
    fit("log: (atanh(s)/s − 1 − z/3 − z²/5)/z³, z = s²", 53,
        lambda s: (atanh(s) / s - 1 - s ** 2 / 3 - s ** 4 / 5) / s ** 6, lambda s: s ** 6, range(8), mpf(2) ** -8,
        (sqrt(mpf(2)) - 1) / (sqrt(mpf(2)) + 1) * mpf("1.0001"), square)


def trig_double():
    double_double("π/2", pi / 2)
    fit("sin: (sin r − r)/r³", 53, quotient(lambda r: sin(r) - r, lambda r: r ** 3, mpf(-1) / 6), lambda r: r * r,
        range(7), TINY, QUARTER_PI, square)
    fit("cos: (cos r − 1 + r²/2)/r⁴", 53,
        quotient(lambda r: cos(r) - 1 + r * r / 2, lambda r: r ** 4, mpf(1) / 24), lambda r: r ** 4, range(7),
        mpf(2) ** -8, QUARTER_PI, square)
    with mp.workprec(1400):
        whole = int(floor(2 / pi * mpf(2) ** (32 * 38)))
    words = [f"0x{whole >> (32 * (37 - i)) & 0xffffffff:08x}u" for i in range(38)]
    print("2/π in 32-bit words:")
    for i in range(0, 38, 8):
        print("    " + ", ".join(words[i:i + 8]) + ",")


def erf_double():
    fit("erf: erf(x)/x − 1", 53, lambda x: erf(x) / x - 1, lambda x: mpf(1), range(13), TINY, 1, square)
    fit("erf: erfc(x)·exp(x²)·(1 + 2x), t = (x − 2)/(x + 2)", 53, lambda x: erfc(x) * exp(x * x) * (1 + 2 * x),
        lambda x: mpf(1), range(18), 1, 6, lambda x: (x - 2) / (x + 2))


ALL = [expf, tanhf, logf, erff, exp_double, log_double, trig_double, erf_double]
for job in ALL:
    if len(sys.argv) == 1 or job.__name__ in sys.argv[1:]:
        job()
