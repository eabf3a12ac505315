#include <stdint.h>
#include <stdio.h>
/* stdin: cases of {bytes pn[256], pm[256], n[256], m[256]; tile[64*256] rows of VL bytes}; stdout: 3 tiles:
   fmopa .s, fmopa .h to .s, bfmopa. */
static struct { uint8_t pn[256], pm[256], n[256], m[256], tile[64 * 256]; } in;
static uint8_t out[64 * 256];
#define KERNEL(name, op) \
    void name(const void *in, const void *tile, void *out); \
    __asm__(".arch armv9-a\n.arch_extension sme\n.global " #name "\n" #name ":\n" \
    "stp d8, d9, [sp, #-64]!\n stp d10, d11, [sp, #16]\n stp d12, d13, [sp, #32]\n stp d14, d15, [sp, #48]\n" \
    "smstart\n ptrue p2.b\n add x3, x0, #256\n add x4, x0, #512\n add x5, x0, #768\n" \
    "ld1b {z0.b}, p2/z, [x0]\n ld1b {z1.b}, p2/z, [x3]\n" \
    "cmpne p0.b, p2/z, z0.b, #0\n cmpne p1.b, p2/z, z1.b, #0\n" \
    "ld1b {z2.b}, p2/z, [x4]\n ld1b {z3.b}, p2/z, [x5]\n" \
    "cntw x6\n mov w12, #0\n" \
    "1: ld1w {za0h.s[w12, 0]}, p2/z, [x1]\n addvl x1, x1, #1\n add w12, w12, #1\n cmp w12, w6\n b.lt 1b\n" \
    op "\n mov w12, #0\n" \
    "2: st1w {za0h.s[w12, 0]}, p2, [x2]\n addvl x2, x2, #1\n add w12, w12, #1\n cmp w12, w6\n b.lt 2b\n" \
    "smstop\n ldp d10, d11, [sp, #16]\n ldp d12, d13, [sp, #32]\n ldp d14, d15, [sp, #48]\n" \
    "ldp d8, d9, [sp], #64\n ret\n")
KERNEL(fmopa_s, "fmopa za0.s, p0/m, p1/m, z2.s, z3.s");
KERNEL(fmopa_h, "fmopa za0.s, p0/m, p1/m, z2.h, z3.h");
KERNEL(bfmopa_h, "bfmopa za0.s, p0/m, p1/m, z2.h, z3.h");
int main(void)
{
    while (fread(&in, sizeof in, 1, stdin) == 1) {
        fmopa_s(&in, in.tile, out); fwrite(out, sizeof out, 1, stdout);
        fmopa_h(&in, in.tile, out); fwrite(out, sizeof out, 1, stdout);
        bfmopa_h(&in, in.tile, out); fwrite(out, sizeof out, 1, stdout);
    }
    return 0;
}
