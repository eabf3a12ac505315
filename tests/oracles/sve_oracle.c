#include <arm_sve.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* stdin: cases of {int64 start, stop; bytes pg[256], a[256], b[256]}; stdout: slots of 256 bytes. */
static struct { int64_t start, stop; uint8_t pg[256]; int8_t a[256], b[256]; } in;
static uint8_t out[16][256];

static int64_t dot(const int8_t *a, const int8_t *b, int64_t n)
{
    int64_t i = 0, sum;
    __asm__ volatile(
        "mov z0.s, #0\n ptrue p1.s\n"
        "whilelt p0.b, %[i], %[n]\n b.none 2f\n"
        "1: ld1b {z1.b}, p0/z, [%[a], %[i]]\n ld1b {z2.b}, p0/z, [%[b], %[i]]\n"
        "sdot z0.s, z1.b, z2.b\n incb %[i]\n whilelt p0.b, %[i], %[n]\n b.first 1b\n"
        "2: saddv d0, p1, z0.s\n fmov %[sum], d0"
        : [i] "+r"(i), [sum] "=r"(sum) : [a] "r"(a), [b] "r"(b), [n] "r"(n)
        : "z0", "z1", "z2", "p0", "p1", "cc", "memory");
    return sum;
}
#define W(k, bits, ones) svst1_u##bits(svptrue_b##bits(), (void *)out[k], \
    svdup_n_u##bits##_z(svwhilelt_b##bits##_s64(in.start, in.stop), 1))
int main(void)
{
    while (fread(&in, sizeof in, 1, stdin) == 1) {
        memset(out, 0, sizeof out);
        svbool_t all = svptrue_b8();
        svint8_t a8 = svld1_s8(all, in.a), b8 = svld1_s8(all, in.b);
        svint32_t a = svreinterpret_s32_s8(a8), b = svreinterpret_s32_s8(b8);
        svfloat32_t f = svreinterpret_f32_s8(a8);
        svbool_t on4 = svcmpne_n_u32(all, svld1ub_u32(svptrue_b32(), in.pg), 0);
        svbool_t on64 = svcmpne_n_u64(all, svld1ub_u64(svptrue_b64(), in.pg), 0);
        W(0, 8, ); W(1, 16, ); W(2, 32, ); W(3, 64, );
        *(float *)out[4] = svadda_f32(on4, *(float *)in.b, f);
        *(float *)out[5] = svaddv_f32(on4, f);
        svst1_s32(svptrue_b32(), (void *)out[6], svcompact_s32(on4, a));
        svst1_s64(svptrue_b64(), (void *)out[7], svcompact_s64(on64, svreinterpret_s64_s8(a8)));
        svst1_s8(all, (void *)out[8], svtbl_s8(a8, svreinterpret_u8_s8(b8)));
        svst1_s16(all, (void *)out[9], svtbl_s16(svreinterpret_s16_s8(a8),
            svand_n_u16_x(all, svreinterpret_u16_s8(b8), 255)));
        svst1_s32(all, (void *)out[10], svtbl_s32(a, svand_n_u32_x(all, svreinterpret_u32_s8(b8), 127)));
        svst1_s64(all, (void *)out[11], svtbl_s64(svreinterpret_s64_s8(a8),
            svand_n_u64_x(all, svreinterpret_u64_s8(b8), 63)));
        svst1_s32(all, (void *)out[12], svdot_s32(a, a8, b8));
        svst1_s32(all, (void *)out[13], svqrdmlah_s32(svrev_s32(a), a, b));
        *(int64_t *)out[14] = svaddv_s32(on4, a);
        *(int64_t *)out[15] = dot(in.a, in.b, in.stop < 0 ? 0 : in.stop > 256 ? 256 : in.stop);
        fwrite(out, sizeof out, 1, stdout);
    }
    return 0;
}
