// What does the real instruction answer? One function for each, on arrays of 16-byte registers.
//
// Built by edgelib/isa/native.py: as a shared library for the machine at hand, or, with -DNATIVE_MAIN, as a
// program that any emulator can run ("sdot 1000" as arguments, operands on stdin, results on stdout).
// Compile with -march=armv8.2-a+lse+fp16+fp16fml+dotprod+i8mm+bf16, so that the assembler accepts every
// instruction; whether the processor does is asked in `has`, before any of them runs.
// A register holds d in v0, n in v1 (a table in v1 to v4), m in v5, as in tests/golden/instructions.json.
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(__linux__)
#include <sys/auxv.h>
#endif
#if !defined(__aarch64__)
#error "native.c holds AArch64 instructions; compile it for AArch64"
#endif

typedef void Instruction(const uint8_t *d, const uint8_t *n, const uint8_t *m, uint8_t *out);

#define VECTOR(name, loads, text)                                                                    \
    static void name(const uint8_t *d, const uint8_t *n, const uint8_t *m, uint8_t *out) {           \
        __asm__ volatile("ldr q0, [%0]\n\tldr q1, [%1]\n\tldr q5, [%2]\n\t" loads text               \
                         "\n\tstr q0, [%3]"                                                          \
                         :                                                                           \
                         : "r"(d), "r"(n), "r"(m), "r"(out)                                          \
                         : "v0", "v1", "v2", "v3", "v4", "v5", "memory");                            \
    }

#define LOAD2 "ldr q2, [%1, #16]\n\t"
#define LOAD3 LOAD2 "ldr q3, [%1, #32]\n\t"
#define LOAD4 LOAD3 "ldr q4, [%1, #48]\n\t"

VECTOR(sdot, "", "sdot v0.4s, v1.16b, v5.16b")
VECTOR(sdot_lane0, "", "sdot v0.4s, v1.16b, v5.4b[0]")
VECTOR(sdot_lane1, "", "sdot v0.4s, v1.16b, v5.4b[1]")
VECTOR(sdot_lane2, "", "sdot v0.4s, v1.16b, v5.4b[2]")
VECTOR(sdot_lane3, "", "sdot v0.4s, v1.16b, v5.4b[3]")
VECTOR(udot, "", "udot v0.4s, v1.16b, v5.16b")
VECTOR(usdot, "", "usdot v0.4s, v1.16b, v5.16b")
VECTOR(smmla, "", "smmla v0.4s, v1.16b, v5.16b")
VECTOR(ummla, "", "ummla v0.4s, v1.16b, v5.16b")
VECTOR(usmmla, "", "usmmla v0.4s, v1.16b, v5.16b")
VECTOR(tbl1, "", "tbl v0.16b, {v1.16b}, v5.16b")
VECTOR(tbl2, LOAD2, "tbl v0.16b, {v1.16b, v2.16b}, v5.16b")
VECTOR(tbl3, LOAD3, "tbl v0.16b, {v1.16b, v2.16b, v3.16b}, v5.16b")
VECTOR(tbl4, LOAD4, "tbl v0.16b, {v1.16b, v2.16b, v3.16b, v4.16b}, v5.16b")
VECTOR(tbx1, "", "tbx v0.16b, {v1.16b}, v5.16b")
VECTOR(tbx2, LOAD2, "tbx v0.16b, {v1.16b, v2.16b}, v5.16b")
VECTOR(tbx3, LOAD3, "tbx v0.16b, {v1.16b, v2.16b, v3.16b}, v5.16b")
VECTOR(tbx4, LOAD4, "tbx v0.16b, {v1.16b, v2.16b, v3.16b, v4.16b}, v5.16b")
VECTOR(mla, "", "mla v0.4s, v1.4s, v5.4s")
VECTOR(sqrdmulh, "", "sqrdmulh v0.4s, v1.4s, v5.4s")
VECTOR(sqxtn, "", "sqxtn v0.8b, v1.8h")
VECTOR(addv, "", "addv s0, v1.4s")
VECTOR(fmla_4s, "", "fmla v0.4s, v1.4s, v5.4s")
VECTOR(fmla_8h, "", "fmla v0.8h, v1.8h, v5.8h")
VECTOR(fadd_h, "", "fadd h0, h1, h5")
VECTOR(faddp, "", "faddp v0.4s, v1.4s, v5.4s")
VECTOR(fmlal, "", "fmlal v0.4s, v1.4h, v5.4h")
VECTOR(fmlal2, "", "fmlal2 v0.4s, v1.4h, v5.4h")
VECTOR(bfdot, "", "bfdot v0.4s, v1.8h, v5.8h")
VECTOR(bfmmla, "", "bfmmla v0.4s, v1.8h, v5.8h")
VECTOR(bfcvtn, "", "bfcvtn v0.4h, v1.4s")

// out[0:8] = the cell afterwards, out[8:16] = what the register receives: the old value.
#define ATOMIC(name, text)                                                                           \
    static void name(const uint8_t *d, const uint8_t *n, const uint8_t *m, uint8_t *out) {           \
        uint64_t cell, source, swapped, old = 0;                                                     \
        memcpy(&cell, d, 8), memcpy(&source, n, 8), memcpy(&swapped, m, 8);                          \
        __asm__ volatile(text : "+&r"(old) : "r"(source), "r"(swapped), "r"(&cell) : "memory");      \
        memcpy(out, &cell, 8), memcpy(out + 8, &old, 8);                                             \
    }

ATOMIC(ldadd, "ldadd %1, %0, [%3]")
ATOMIC(swp, "swp %1, %0, [%3]")
ATOMIC(cas, "mov %0, %1\n\tcas %0, %2, [%3]")

enum Feature { BASE, LSE, FP16, FHM, DOTPROD, I8MM, BF16 };

static int has(enum Feature feature) {
#if defined(__APPLE__)
    static const char *const names[] = {"",          "FEAT_LSE",  "FEAT_FP16", "FEAT_FHM",
                                        "FEAT_DotProd", "FEAT_I8MM", "FEAT_BF16"};
    char name[48] = "hw.optional.arm.";
    int value = 0;
    size_t size = sizeof value;
    return feature == BASE || (!sysctlbyname(strcat(name, names[feature]), &value, &size, NULL, 0) && value);
#elif defined(__linux__)
    // Linux, arch/arm64/include/uapi/asm/hwcap.h: HWCAP_ATOMICS, ASIMDHP, ASIMDFHM, ASIMDDP; HWCAP2_I8MM, BF16.
    static const int bits[] = {0, 8, 10, 23, 20, 13, 14};
    return feature == BASE || (getauxval(feature >= I8MM ? AT_HWCAP2 : AT_HWCAP) >> bits[feature] & 1);
#else
    return feature == BASE;
#endif
}

static const struct {
    const char *name;
    enum Feature needs;
    int n_registers;
    Instruction *run;
} TABLE[] = {
    {"sdot", DOTPROD, 1, sdot},          {"sdot_lane0", DOTPROD, 1, sdot_lane0},
    {"sdot_lane1", DOTPROD, 1, sdot_lane1}, {"sdot_lane2", DOTPROD, 1, sdot_lane2},
    {"sdot_lane3", DOTPROD, 1, sdot_lane3}, {"udot", DOTPROD, 1, udot},
    {"usdot", I8MM, 1, usdot},           {"smmla", I8MM, 1, smmla},
    {"ummla", I8MM, 1, ummla},           {"usmmla", I8MM, 1, usmmla},
    {"tbl1", BASE, 1, tbl1},             {"tbl2", BASE, 2, tbl2},
    {"tbl3", BASE, 3, tbl3},             {"tbl4", BASE, 4, tbl4},
    {"tbx1", BASE, 1, tbx1},             {"tbx2", BASE, 2, tbx2},
    {"tbx3", BASE, 3, tbx3},             {"tbx4", BASE, 4, tbx4},
    {"mla", BASE, 1, mla},               {"sqrdmulh", BASE, 1, sqrdmulh},
    {"sqxtn", BASE, 1, sqxtn},           {"addv", BASE, 1, addv},
    {"fmla_4s", BASE, 1, fmla_4s},       {"fmla_8h", FP16, 1, fmla_8h},
    {"fadd_h", FP16, 1, fadd_h},         {"faddp", BASE, 1, faddp},
    {"fmlal", FHM, 1, fmlal},            {"fmlal2", FHM, 1, fmlal2},
    {"bfdot", BF16, 1, bfdot},           {"bfmmla", BF16, 1, bfmmla},
    {"bfcvtn", BF16, 1, bfcvtn},         {"ldadd", LSE, 1, ldadd},
    {"swp", LSE, 1, swp},                {"cas", LSE, 1, cas},
};
enum { COUNT = sizeof TABLE / sizeof *TABLE };

// Position of an instruction in TABLE; -1 if there is none of that name.
static int find(const char *name) {
    for (int i = 0; i < COUNT; i++)
        if (!strcmp(TABLE[i].name, name)) return i;
    return -1;
}

// 1 if this processor executes it, 0 if it does not or the name is unknown.
int edge_has(const char *name) {
    int i = find(name);
    return i >= 0 && has(TABLE[i].needs);
}

// `count` times the instruction; returns 0, or -1 (and touches nothing) where edge_has says 0.
int edge_run(const char *name, size_t count, const uint8_t *d, const uint8_t *n, const uint8_t *m,
             uint8_t *out) {
    int i = find(name);
    if (!edge_has(name)) return -1;
    for (size_t k = 0; k < count; k++)
        TABLE[i].run(d + 16 * k, n + 16 * k * (size_t)TABLE[i].n_registers, m + 16 * k, out + 16 * k);
    return 0;
}

#ifdef NATIVE_MAIN
#include <stdio.h>
#include <stdlib.h>

// Without arguments: the names of the instructions that this processor executes, one a line.
// "NAME COUNT": reads COUNT registers each of d, n, m from stdin, writes COUNT results.
int main(int arguments, char **argument) {
    if (arguments != 3) {
        for (int i = 0; i < COUNT; i++)
            if (has(TABLE[i].needs)) puts(TABLE[i].name);
        return 0;
    }
    int i = find(argument[1]);
    size_t count = strtoul(argument[2], NULL, 10), bytes = 16 * count;
    if (i < 0 || !edge_has(argument[1])) {
        fprintf(stderr, "%s: not an instruction of this processor\n", argument[1]);
        return 2;
    }
    size_t n_bytes = bytes * (size_t)TABLE[i].n_registers;
    uint8_t *memory = calloc(1, 3 * bytes + n_bytes + 1);
    if (!memory || fread(memory, 1, 2 * bytes + n_bytes, stdin) != 2 * bytes + n_bytes) {
        fprintf(stderr, "%s: operands missing\n", argument[1]);
        return 3;
    }
    uint8_t *out = memory + 2 * bytes + n_bytes;
    edge_run(argument[1], count, memory, memory + bytes, memory + bytes + n_bytes, out);
    return fwrite(out, 1, bytes, stdout) == bytes ? 0 : 4;
}
#endif
