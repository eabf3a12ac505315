"""The probe's read bandwidth against a loop in C that sums an array, compiled here.

Both are timed on a machine that others use too, so they must agree within a wide factor only. What the
factor catches: bytes counted twice, data that stays in a cache, threads that wait for one another.
"""

import shutil
import statistics
import subprocess

import pytest

from edgelib.hardware.host import host
from edgelib.hardware.probe import beyond_cache, probe

FACTOR = 3.0
# Each thread sums its own array along 8 streams; printed are bytes per second, one line per pass.
SUM = r"""
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#define STREAMS 8
typedef float vec __attribute__((vector_size(32), aligned(4)));
typedef struct { float *data; size_t n; float sum; } job;
static double now(void) {
    struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + 1e-9 * t.tv_nsec;
}
static void *fill(void *p) { job *j = p; for (size_t i = 0; i < j->n; i++) j->data[i] = 1; return 0; }
static void *sum(void *p) {
    job *j = p; size_t m = j->n / STREAMS; vec a[STREAMS] = {0};
    for (size_t i = 0; i + 8 <= m; i += 8)
        for (int s = 0; s < STREAMS; s++) a[s] += *(vec *)(j->data + s * m + i);
    j->sum = 0;
    for (int s = 0; s < STREAMS; s++) for (int k = 0; k < 8; k++) j->sum += a[s][k];
    return 0;
}
static void all(job *j, int threads, void *(*work)(void *)) {
    pthread_t t[64];
    for (int i = 0; i < threads; i++) pthread_create(t + i, 0, work, j + i);
    for (int i = 0; i < threads; i++) pthread_join(t[i], 0);
}
int main(int argc, char **argv) {
    int threads = atoi(argv[1]); size_t bytes = strtoull(argv[2], 0, 10); job j[64];
    for (int i = 0; i < threads; i++) { j[i].n = bytes / threads / 4; j[i].data = malloc(4 * j[i].n); }
    all(j, threads, fill);
    for (int pass = 0; pass < 15; pass++) {
        double begin = now(); all(j, threads, sum);
        printf("%.0f\n", bytes / (now() - begin));
        if (j[0].sum <= 0) return 1;
    }
    return 0;
}
"""
needs_gcc = pytest.mark.skipif(not shutil.which("gcc"), reason="install gcc: the oracle is compiled here")


@pytest.fixture(scope="module")
def c_loop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sum")
    (folder / "sum.c").write_text(SUM)
    command = ["gcc", "-O3", "-march=native", "-funroll-loops", "-pthread", "sum.c", "-o", "sum"]
    subprocess.run(command, cwd=folder, check=True)

    def rates(threads: int, size_B: float) -> list[float]:
        run = [str(folder / "sum"), str(threads), str(int(size_B))]
        return [float(line) for line in subprocess.check_output(run, text=True).split()]

    return rates


@needs_gcc
def test_numpy_reads_as_fast_as_c(c_loop, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGELIB_HOME", str(tmp_path))
    size_B, threads = beyond_cache(host()), min(host().threads, 64)
    before = [c_loop(t, size_B) for t in (1, threads)]
    found = probe(seconds=0.5, threads=threads)
    after = [c_loop(t, size_B) for t in (1, threads)]
    for rate, *passes in zip((found.read_1, found.read_all), before, after, strict=True):
        expected = statistics.median([*passes[0], *passes[1]])
        assert expected / FACTOR < rate.median < expected * FACTOR
        fastest = max(*passes[0], *passes[1])
        assert rate.median < 1.5 * fastest, "more bytes per second than the memory delivers"


def test_products_stay_below_every_pipe_of_every_core(tmp_path, monkeypatch):
    """64 float32 lanes x 2 OP at 6 GHz on each core: no CPU core does more, Apple's shared units aside."""
    monkeypatch.setenv("EDGELIB_HOME", str(tmp_path))
    found = probe(seconds=0.2, size_B=2**26)
    assert found.gemm["float32"].high < found.threads * 64 * 2 * 6e9
    assert found.gemm["float16"].median < found.gemm["float32"].high
