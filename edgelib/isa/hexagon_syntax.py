"""What does a line of Hexagon assembler say? Text to an instruction: its form, its registers, its numbers.

A text that is no instruction of V68 raises `SyntaxFault`, whose message says why and what would be one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches

from edgelib.isa.hexagon_forms import Form, Token, by_shape, mnemonic, mnemonics

NAMES = {"sp": "r29", "fp": "r30", "lr": "r31", "lr:fp": "r31:30"}
# Control registers by number. Source: LLVM 14, HexagonRegisterInfo.td.
CONTROL = {
    **dict(enumerate(("sa0", "lc0", "sa1", "lc1", "p3:0", "c5", "m0", "m1", "usr", "pc", "ugp", "gp"))),
    **dict(enumerate(("cs0", "cs1", "upcyclelo", "upcyclehi", "framelimit", "framekey"), 12)),
    **{18: "pktcountlo", 19: "pktcounthi", 30: "utimerlo", 31: "utimerhi"},
}
_COUNTS = {"p": 4, "q": 4, "m": 2, "r": 32, "v": 32, "c": 32, "g": 32, "s": 128}
_SUB16 = frozenset([*range(8), *range(16, 24)])

_NUMBER = r"(?:0x[0-9a-f]+|\d+)"
_ATOM = rf"(?:{_NUMBER}|(?:hi|lo)\([^()]*\)|[a-z_.$][\w.$]*(?:@\w+)?|\([^()#]*\))"
_WORD = re.compile(
    rf"(?P<number>##?-?{_ATOM}(?:[-+*]{_ATOM})*)"
    r"|(?P<register>(?<![\w.$:])(?:[rpvqmcgs]\d+(?::\d+)?|lr:fp|sp|fp|lr|vtmp(?=\.new)|"
    + "|".join(sorted(set(CONTROL.values()) - {"p3:0", "c5", "m0", "m1"}, key=len, reverse=True))
    + r")(?!\w|:\d))"
)
_LABEL = re.compile(r"(?P<op>\b(?:jump|call)(?::n?t)?\s+|loop[01]\s*\(\s*)(?P<label>#{0,2}[-\w.$@()+]+)")


class SyntaxFault(ValueError):
    """A text that is no Hexagon instruction; the message says why, and what would be accepted."""


@dataclass(frozen=True)
class Instruction:
    """One instruction of a packet.

    text : as written, spaces removed.   operands : (token of the form, its text) in order.
    numbers : value of each `#` operand, None for a symbol.   extended : it takes a constant extender, a word
    of its own.
    """

    text: str
    form: Form
    operands: tuple[tuple[Token, str], ...]
    numbers: tuple[int | None, ...]
    extended: bool

    @property
    def name(self) -> str:
        """Its mnemonic."""
        return mnemonic(self.form.syntax)

    @property
    def condition(self) -> tuple[str, bool, bool] | None:
        """(predicate, sense, new) of `if (!p0.new)`; None if it is unconditional."""
        match = re.match(r"if\((!?)(p\d)(\.new)?\)", self.text)
        return (match[2], not match[1], bool(match[3])) if match else None

    @property
    def new_value(self) -> str | None:
        """The register it takes from another instruction of its packet, `r5` in `memw(r0)=r5.new`."""
        return next((r for t, r in self.operands if t.name[0] in "NO" and not t.fixed), None)

    @property
    def writes(self) -> tuple[str, ...]:
        """Single registers it writes, the ones it does not name among them."""
        named = [s for r in {t.name: r for t, r in self.operands if t.written}.values() for s in singles(r)]
        if re.match(r"p[013]=", self.text) and self.operands[0][0].fixed:
            named.append(self.text[:2])
        return (*named, *self.hidden_writes)

    @property
    def hidden_writes(self) -> tuple[str, ...]:
        """Registers it writes without naming them: r31 in `call`."""
        flags = [flag for flag in self.form.flags if flag.startswith("writes:")]
        return tuple(register for flag in flags for register in flag[7:].lower().split("/"))

    @property
    def reads(self) -> tuple[str, ...]:
        """Single registers whose value it needs."""
        return tuple(s for t, r in self.operands if t.read for s in singles(r))

    @property
    def address_writes(self) -> tuple[str, ...]:
        """Registers that it writes as an address: r0 in `memw(r0++#4)` and in `memw(r0=#64)`."""
        return tuple(r for r in re.findall(r"\((r\d+)(?:\+\+|=)", self.text))

    @property
    def load_kind(self) -> str:
        """`.cur` or `.tmp` of a vector load, else ""."""
        match = re.search(r"\.(cur|tmp)=", self.form.shape)
        return match[1] if match else ""


def singles(register: str) -> tuple[str, ...]:
    """`v1:0` as (`v0`, `v1`): the single registers of a group."""
    match = re.fullmatch(r"([a-z]+)(\d+):(\d+)", register)
    if not match or register == "p3:0":
        return (register,)
    low, high = sorted((int(match[2]), int(match[3])))
    return tuple(f"{match[1]}{n}" for n in range(low, high + 1))


def _evaluate(text: str) -> int | None:
    """The value of a constant expression; None if it holds a symbol."""
    body = text.lstrip("#")
    if re.search(r"[a-z_.$]", re.sub(r"0x[0-9a-f]+", "", body)):
        return None
    total, sign, product = 0, 1, 1
    for piece in re.findall(rf"{_NUMBER}|[-+*()]", body.replace("(", "").replace(")", "")):
        if piece in "+-":
            total, sign, product = total, (-sign if piece == "-" and product == 1 else 1), product
        elif piece != "*":
            total, sign = total + sign * int(piece, 0), 1
    return total


def _canonical(register: str) -> str:
    """The one name of a register: `sp` is r29, `c8` is usr."""
    register = NAMES.get(register, register)
    match = re.fullmatch(r"c(\d+)", register)
    return CONTROL.get(int(match[1]), register) if match else register


def _kinds(register: str) -> str:
    """The letter of its class, doubled for a pair: r0 R, v1:0 VV, usr C, p3:0 C."""
    if register in CONTROL.values() and not re.fullmatch(r"m\d", register):
        return "C"
    if register == "vtmp":
        return "V"
    match = re.fullmatch(r"([a-z])(\d+)(?::(\d+))?", register)
    if not match:
        raise SyntaxFault(f"`{register}` is not a register")
    letter, first = match[1], int(match[2])
    if first >= _COUNTS[letter]:
        raise SyntaxFault(
            f"There is no register {register}: {letter}0 to {letter}{_COUNTS[letter] - 1} exist."
        )
    if match[3] is None:
        return letter.upper()
    low, high = sorted((first, int(match[3])))
    count = high - low + 1
    aligned = low % count == 0 and (count == 2 or (count == 4 and letter == "v"))
    if not aligned or letter in "pqm" or (first < high and letter != "v"):
        raise SyntaxFault(
            f"`{register}` is not a register group: a pair is an odd register with the even one below it, as "
            f"{letter}1:0 or {letter}3:2."
        )
    return letter.upper() * count


def _scan(text: str) -> tuple[str, list[str]]:
    """The shape of an instruction, and its operands in order."""
    operands: list[str] = []

    def label(match: re.Match[str]) -> str:
        return f"{match['op']}\x02{match['label']}\x03"

    def word(match: re.Match[str]) -> str:
        if match[0][0] == "\x02":
            operands.append(match[0][1:-1])
            return "@"
        if match["number"]:
            operands.append(match[0])
            return "#"
        before, after = match.string[: match.start()], match.string[match.end() :]
        if (match[0] == "gp" and after.lstrip().startswith("+")) or (
            match[0] == "pc" and before.endswith("(")
        ):
            return match[0]
        register = _canonical(match[0])
        kind = _kinds(register)
        operands.append(register)
        return kind

    marked = _LABEL.sub(label, text)
    shape = re.sub(rf"\x02[^\x03]*\x03|{_WORD.pattern}", word, marked)
    return re.sub(r"\s+", "", shape), operands


def _number_fault(token: Token, value: int, text: str, extra: str) -> str:
    low, high = token.range()
    steps = f" in steps of {1 << token.scale}" if token.scale else ""
    return f"`{text}`: #{value} does not fit {token.name}, which takes {low} to {high}{steps}{extra}."


def _bind(form: Form, operands: list[str], text: str) -> Instruction:
    """The instruction, if `operands` suit the tokens of `form`; otherwise SyntaxFault."""
    numbers: list[int | None] = []
    extended, seen = False, dict[str, str]()
    for token, given in zip(form.tokens, operands, strict=True):
        if token.kind == "@":
            extended |= given.startswith("##")
            if given.startswith("##") and not token.extend:
                raise SyntaxFault(f"`{text}`: this branch cannot take a constant extender (##).")
        elif token.kind == "#":
            value = _evaluate(given)
            numbers.append(value)
            forced, grows = given.startswith("##"), token.extend != ""
            if token.fixed:
                if value != int(token.fixed):
                    raise SyntaxFault(f"`{text}`: expected #{token.fixed}, not {given}.")
                continue
            low, high = token.range()
            fits = value is not None and low <= value <= high and value % (1 << token.scale) == 0
            if not grows and (forced or (value is not None and not fits)):
                vectors = " (it counts whole vectors of 128 bytes)" if "vmem" in form.shape else ""
                if forced:
                    raise SyntaxFault(f"`{text}`: {token.name} cannot take a constant extender (##).")
                raise SyntaxFault(_number_fault(token, value or 0, text, vectors))
            body = given.lstrip("#")
            if value is None and (
                re.fullmatch(r"[rvpqmcg]\d+", body)
                or not (grows or "gp+" in form.shape or body[:3] in ("hi(", "lo("))
            ):
                raise SyntaxFault(f"`{text}`: {given} is no number; {token.name} takes one.")
            wide = value is not None and not -(1 << 31) <= value < (1 << 32)
            if wide:
                raise SyntaxFault(f"`{text}`: {given} does not fit 32 bits.")
            extended |= token.extend == "!" or forced or (grows and value is not None and not fits)
            extended |= value is None and grows and token.signed != "u"
        else:
            numbers_of = {int(n) for n in re.findall(r"\d+", given)} if token.subset else set()
            allowed = range(8) if token.subset == 8 and token.count == 1 else _SUB16
            if (token.fixed and given != token.fixed) or not numbers_of <= set(allowed):
                raise SyntaxFault(f"`{text}`: {given} cannot stand for {token.name} of {form.syntax}.")
            if seen.setdefault(token.name, given) != given:
                raise SyntaxFault(f"`{text}`: {token.name} stands twice in {form.syntax}, for one register.")
    pairs = tuple(zip(form.tokens, operands, strict=True))
    return Instruction(text, form, pairs, tuple(numbers), extended)


def parse_instruction(text: str, duplex: bool = False) -> Instruction:
    """One instruction of V68; with `duplex`, only its half-word form.

    Raises
    ------
    SyntaxFault : no such instruction, or not with these operands.
    """
    clean = re.sub(r"\s+", " ", text.strip().lower())
    shape, operands = _scan(clean)
    tight = re.sub(r"\s*([^\w\s.#$])\s*", r"\1", clean)
    tight = re.sub(r"^(if\([^)]*\)+)(?=\w)", r"\1 ", tight)
    known = by_shape(duplex)
    zero = re.sub(r"((?:mem\w*|vmemu?|dcfetch)\(R)\)", r"\1+#)", shape)
    bare = re.sub(r"=M$", "=C", re.sub(r"^M=", "C=", shape))
    for key in (shape, zero, bare):
        if key not in known:
            continue
        given = list(operands)
        if key == zero != shape:
            given.insert(_at(key), "#0")
        found, faults = list[Instruction](), list[SyntaxFault]()
        for form in known[key]:
            try:
                found.append(_bind(form, given, tight))
            except SyntaxFault as fault:
                faults.append(fault)
        if not found:
            raise faults[-1]
        best = min(found, key=lambda instruction: instruction.extended)
        if "ieee" in best.form.flags:
            raise SyntaxFault(f"`{tight}` needs the IEEE float option, which V68 does not have by default.")
        return best
    raise SyntaxFault(_unknown(tight, shape))


def _at(shape: str) -> int:
    """Position, among the operands of a shape, of the number in `+#)`."""
    before = shape[: shape.index("+#)") + 1]
    return len(re.findall(r"[RVPQMCGS]+|#|@", before))


def _unknown(text: str, shape: str) -> str:
    """Why a text is no instruction, with the nearest forms that are."""
    name = mnemonic(text)
    family = mnemonics().get(name, ())
    if not family:
        near = get_close_matches(name, list(mnemonics()), n=3, cutoff=0.6)
        hint = f" Near names: {', '.join(near)}." if near else ""
        return (
            f"`{text}`: {name} is not an instruction this checker knows. Its table holds the instructions of "
            f"V68 that LLVM 14 knows: either it does not exist, or it is newer or undocumented.{hint}"
        )
    shapes = {form.shape: form.syntax for form in family}
    near = get_close_matches(shape, list(shapes), n=3, cutoff=0.0)
    accepted = "; ".join(shapes[key] for key in near)
    vector_to_scalar = name.startswith("vcmp") and re.match(r"P[+&|^]?=", shape) is not None
    why = " A vector comparison writes a vector predicate Q, never P." if vector_to_scalar else ""
    return f"`{text}`: {name} has no form with these operands.{why} Nearest: {accepted}."
