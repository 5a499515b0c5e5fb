// Hopper building blocks (sm_90a) and the older asynchronous ones (sm_80 and newer), as thin wrappers
// of PTX: mbarrier, TMA, wgmma, setmaxnreg, named barriers; cp.async, ldmatrix, mma.sync.
// No includes, so that NVRTC compiles it as well as nvcc. Names follow the PTX ISA, whose chapters say
// the rest; what is not obvious from there is said here.
//
// Who needs which fence: shared memory written by ordinary stores (st.shared, stmatrix, cp.async) and read
// next by wgmma or TMA needs fenceProxyAsync() in every writing thread before the barrier that hands it over.
// A buffer read by ordinary loads or ldmatrix and overwritten next by TMA needs only the barrier.
#pragma once

namespace hopper {

using u32 = unsigned int;
using u64 = unsigned long long;

#define HOPPER_FN __device__ __forceinline__

/** Address in the shared window, as PTX wants it. */
HOPPER_FN u32 sharedAddress(const void *p) {
  return (u32)__cvta_generic_to_shared(p);
}

// ---------------------------------------------------------------- mbarrier (sm_90; 8 bytes, shared)

HOPPER_FN void mbarrierInit(u64 *bar, u32 arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(sharedAddress(bar)), "r"(arrivals) : "memory");
}

/** After the inits and before the block's barrier: makes them visible to TMA and to the cluster. */
HOPPER_FN void fenceBarrierInit() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

HOPPER_FN void mbarrierArrive(u64 *bar) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(sharedAddress(bar)) : "memory");
}

/** Arrives once and announces the bytes that TMA will bring in this phase. */
HOPPER_FN void mbarrierArriveExpect(u64 *bar, u32 bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(sharedAddress(bar)), "r"(bytes) : "memory");
}

HOPPER_FN bool mbarrierTest(u64 *bar, u32 parity) {
  u32 done;
  asm volatile(
      "{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}\n"
      : "=r"(done)
      : "r"(sharedAddress(bar)), "r"(parity)
      : "memory");
  return done != 0;
}

/** Until the phase of this parity is over: a fresh barrier waits at 0 and passes at once at 1. */
HOPPER_FN void mbarrierWait(u64 *bar, u32 parity) {
  while (!mbarrierTest(bar, parity)) {
  }
}

/** Stage and parity of a ring of buffers. Consumers start with parity 0, producers with 1. */
template <int Stages> struct Ring {
  int stage = 0;
  u32 parity;
  HOPPER_FN explicit Ring(u32 start) : parity(start) {}
  HOPPER_FN void next() {
    if (++stage == Stages) {
      stage = 0;
      parity ^= 1;
    }
  }
};

// ---------------------------------------------------------------- fences, barriers, registers

/** Ordinary writes to shared memory become visible to wgmma and TMA. */
HOPPER_FN void fenceProxyAsync() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

/** Barrier 1…15 among `threads` threads (whole warps); 0 is __syncthreads. */
HOPPER_FN void namedBarrierSync(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

HOPPER_FN void namedBarrierArrive(int id, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

/** Gives registers back or takes more, whole warpgroups; the kernel needs __launch_bounds__(threads, 1). */
template <int Registers> HOPPER_FN void registersDecrease() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Registers));
}

template <int Registers> HOPPER_FN void registersIncrease() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Registers));
}

// ---------------------------------------------------------------- TMA (sm_90)

/** A CUtensorMap, by value: `const __grid_constant__ TensorMap map` as kernel parameter. */
struct alignas(64) TensorMap {
  u64 words[16];
};

HOPPER_FN void tmaPrefetch(const TensorMap *map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}

/** One box to shared memory (128-byte aligned; 1024 with 128-byte swizzle); c0 is the innermost coordinate, in elements. */
HOPPER_FN void tmaLoad(void *to, const TensorMap *map, u64 *bar, int c0, int c1) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::"r"(
          sharedAddress(to)),
      "l"(map), "r"(sharedAddress(bar)), "r"(c0), "r"(c1)
      : "memory");
}

HOPPER_FN void tmaLoad(void *to, const TensorMap *map, u64 *bar, int c0, int c1, int c2) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], [%2];" ::"r"(
          sharedAddress(to)),
      "l"(map), "r"(sharedAddress(bar)), "r"(c0), "r"(c1), "r"(c2)
      : "memory");
}

HOPPER_FN void tmaLoad(void *to, const TensorMap *map, u64 *bar, int c0, int c1, int c2, int c3) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6}], [%2];" ::"r"(
          sharedAddress(to)),
      "l"(map), "r"(sharedAddress(bar)), "r"(c0), "r"(c1), "r"(c2), "r"(c3)
      : "memory");
}

/** One box from shared memory; what lies outside the tensor is not written. One thread, then tmaStoreCommit(). */
HOPPER_FN void tmaStore(const TensorMap *map, const void *from, int c0, int c1) {
  asm volatile(
      "cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%1, {%2, %3}], [%0];" ::"r"(sharedAddress(from)),
      "l"(map), "r"(c0), "r"(c1)
      : "memory");
}

HOPPER_FN void tmaStore(const TensorMap *map, const void *from, int c0, int c1, int c2) {
  asm volatile(
      "cp.async.bulk.tensor.3d.global.shared::cta.tile.bulk_group [%1, {%2, %3, %4}], [%0];" ::"r"(sharedAddress(from)),
      "l"(map), "r"(c0), "r"(c1), "r"(c2)
      : "memory");
}

HOPPER_FN void tmaStore(const TensorMap *map, const void *from, int c0, int c1, int c2, int c3) {
  asm volatile(
      "cp.async.bulk.tensor.4d.global.shared::cta.tile.bulk_group [%1, {%2, %3, %4, %5}], [%0];" ::"r"(sharedAddress(from)),
      "l"(map), "r"(c0), "r"(c1), "r"(c2), "r"(c3)
      : "memory");
}

/** Contiguous bytes (a multiple of 16, both ends 16-byte aligned) to shared memory. */
HOPPER_FN void bulkLoad(void *to, const void *from, u32 bytes, u64 *bar) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
                   sharedAddress(to)),
               "l"(from), "r"(bytes), "r"(sharedAddress(bar))
               : "memory");
}

HOPPER_FN void tmaStoreCommit() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }

/** Until all but the last `Pending` groups have been read from shared memory, which may then be reused. */
template <int Pending> HOPPER_FN void tmaStoreWaitRead() {
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(Pending) : "memory");
}

/** Until all but the last `Pending` groups are written. */
template <int Pending> HOPPER_FN void tmaStoreWait() {
  asm volatile("cp.async.bulk.wait_group %0;" ::"n"(Pending) : "memory");
}

// ---------------------------------------------------------------- wgmma (sm_90a): D[64, N] += A[64, 16] B[16, N]
//
// D: thread t of the warpgroup (warp w = t / 32, lane l) holds rows 16w + l/4 (d[4j], d[4j+1]) and that + 8
// (d[4j+2], d[4j+3]), columns 8j + 2(l % 4) and the next one. A from registers has the layout of mma.sync: the
// accumulators of a previous product, packed in pairs, are A of the next: a[0..3] = {d[8k],d[8k+1]}, {d[8k+2],d[8k+3]},
// {d[8k+4],d[8k+5]}, {d[8k+6],d[8k+7]}.
//
// Operands in shared memory are tiles of rows of 128 (64, 32) bytes in the swizzle that TMA writes with the same
// mode: the 16-byte unit c of row r lies at unit c ^ (r % 8) (128 B), c ^ (r / 2 % 4) (64 B), c ^ (r / 4 % 2) (32 B).
// Tiles start at multiples of 8 rows (1024, 512, 256 bytes).
//   K-major (rows are M or N, the contiguous dimension is K): strideBytes = 8 rows = 1024 (512, 256);
//     leadingBytes unused; 16 further along K = + 32 bytes on the start address within the row; wider K = another tile.
//   MN-major, "transposed" (rows are K, the contiguous dimension is M or N): leadingBytes = from one tile of
//     64 (32, 16) columns to the next; strideBytes = from 8 rows of K to the next 8 = 1024 (512, 256);
//     16 further along K = + 2048 (1024, 512) bytes.

enum Swizzle { SWIZZLE_NONE = 0, SWIZZLE_128 = 1, SWIZZLE_64 = 2, SWIZZLE_32 = 3 };

HOPPER_FN u64 wgmmaDescriptor(const void *tile, u32 leadingBytes, u32 strideBytes, Swizzle swizzle) {
  return (u64)((sharedAddress(tile) & 0x3FFFF) >> 4) | (u64)((leadingBytes & 0x3FFFF) >> 4) << 16 |
         (u64)((strideBytes & 0x3FFFF) >> 4) << 32 | (u64)swizzle << 62;
}

/** A K-major tile with 128-byte rows. */
HOPPER_FN u64 wgmmaRows128(const void *tile) { return wgmmaDescriptor(tile, 16, 1024, SWIZZLE_128); }

/** An MN-major tile with 128-byte rows; the next 64 columns lie `leadingBytes` further. */
HOPPER_FN u64 wgmmaColumns128(const void *tile, u32 leadingBytes) {
  return wgmmaDescriptor(tile, leadingBytes, 1024, SWIZZLE_128);
}

/** The same descriptor, `bytes` (a multiple of 16) further. */
HOPPER_FN u64 wgmmaAdvance(u64 descriptor, u32 bytes) { return descriptor + (bytes >> 4); }

/** Before the first wgmma and after registers that wgmma uses (accumulators, A) were written by other code. */
HOPPER_FN void wgmmaFence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

HOPPER_FN void wgmmaCommit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

/** Until all but the last `Pending` groups are complete. */
template <int Pending> HOPPER_FN void wgmmaWait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Pending) : "memory");
}

/** Keeps the compiler from moving accesses of accumulators across: put it beside wgmmaWait where they are in flight. */
template <int Count> HOPPER_FN void wgmmaPin(float (&d)[Count]) {
#pragma unroll
  for (int i = 0; i < Count; i++) {
    asm volatile("" : "+f"(d[i])::"memory");
  }
}

template <int N> struct WgmmaShape;

#define HOPPER_R0 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
#define HOPPER_R1 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define HOPPER_R2 "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47"
#define HOPPER_R3 "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define HOPPER_R4 "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79"
#define HOPPER_R5 "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define HOPPER_R6 "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111"
#define HOPPER_R7 "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define HOPPER_H0 "%0, %1, %2, %3, %4, %5, %6, %7"
#define HOPPER_H1 "%16, %17, %18, %19, %20, %21, %22, %23"
#define HOPPER_D4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define HOPPER_D8(i) HOPPER_D4(i), HOPPER_D4(i + 4)
#define HOPPER_D16(i) HOPPER_D8(i), HOPPER_D8(i + 8)
#define HOPPER_D32(i) HOPPER_D16(i), HOPPER_D16(i + 16)

// X0… are the numbers of the operands after the accumulators.
#define HOPPER_WGMMA(N, LIST, OPERANDS, X0, X1, X2, X3, X4, X5, X6)                                                       \
  template <> struct WgmmaShape<N> {                                                                                      \
    template <int TransA, int TransB> static HOPPER_FN void ss(float (&d)[N / 2], u64 a, u64 b, int accumulate) {         \
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " X2 ", 0;\nwgmma.mma_async.sync.aligned.m64n" #N                     \
                   "k16.f32.bf16.bf16 {" LIST "}, " X0 ", " X1 ", p, 1, 1, " X3 ", " X4 ";\n}\n"                           \
                   : OPERANDS                                                                                             \
                   : "l"(a), "l"(b), "r"(accumulate), "n"(TransA), "n"(TransB));                                          \
    }                                                                                                                     \
    template <int TransB>                                                                                                 \
    static HOPPER_FN void rs(float (&d)[N / 2], u32 a0, u32 a1, u32 a2, u32 a3, u64 b, int accumulate) {                  \
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " X5 ", 0;\nwgmma.mma_async.sync.aligned.m64n" #N                     \
                   "k16.f32.bf16.bf16 {" LIST "}, {" X0 ", " X1 ", " X2 ", " X3 "}, " X4 ", p, 1, 1, " X6 ";\n}\n"         \
                   : OPERANDS                                                                                             \
                   : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "l"(b), "r"(accumulate), "n"(TransB));                           \
    }                                                                                                                     \
  };

#define HOPPER_ACC16 HOPPER_D8(0)
HOPPER_WGMMA(16, HOPPER_H0, HOPPER_ACC16, "%8", "%9", "%10", "%11", "%12", "%13", "%14")
#define HOPPER_ACC32 HOPPER_D16(0)
HOPPER_WGMMA(32, HOPPER_R0, HOPPER_ACC32, "%16", "%17", "%18", "%19", "%20", "%21", "%22")
#define HOPPER_ACC48 HOPPER_D16(0), HOPPER_D8(16)
HOPPER_WGMMA(48, HOPPER_R0 ", " HOPPER_H1, HOPPER_ACC48, "%24", "%25", "%26", "%27", "%28", "%29", "%30")
#define HOPPER_ACC64 HOPPER_D32(0)
HOPPER_WGMMA(64, HOPPER_R0 ", " HOPPER_R1, HOPPER_ACC64, "%32", "%33", "%34", "%35", "%36", "%37", "%38")
#define HOPPER_ACC96 HOPPER_D32(0), HOPPER_D16(32)
HOPPER_WGMMA(96, HOPPER_R0 ", " HOPPER_R1 ", " HOPPER_R2, HOPPER_ACC96, "%48", "%49", "%50", "%51", "%52", "%53", "%54")
#define HOPPER_ACC128 HOPPER_D32(0), HOPPER_D32(32)
HOPPER_WGMMA(128, HOPPER_R0 ", " HOPPER_R1 ", " HOPPER_R2 ", " HOPPER_R3, HOPPER_ACC128, "%64", "%65", "%66", "%67", "%68", "%69", "%70")
#define HOPPER_ACC192 HOPPER_D32(0), HOPPER_D32(32), HOPPER_D32(64)
HOPPER_WGMMA(192, HOPPER_R0 ", " HOPPER_R1 ", " HOPPER_R2 ", " HOPPER_R3 ", " HOPPER_R4 ", " HOPPER_R5, HOPPER_ACC192, "%96", "%97", "%98", "%99", "%100", "%101", "%102")
#define HOPPER_ACC256 HOPPER_D32(0), HOPPER_D32(32), HOPPER_D32(64), HOPPER_D32(96)
HOPPER_WGMMA(256, HOPPER_R0 ", " HOPPER_R1 ", " HOPPER_R2 ", " HOPPER_R3 ", " HOPPER_R4 ", " HOPPER_R5 ", " HOPPER_R6 ", " HOPPER_R7, HOPPER_ACC256, "%128", "%129", "%130", "%131", "%132", "%133", "%134")

/** D (+)= A B with A, B by descriptor; Trans = 1 for an MN-major operand; accumulate = 0 overwrites D. */
template <int N, int TransA = 0, int TransB = 0>
HOPPER_FN void wgmma(float (&d)[N / 2], u64 a, u64 b, int accumulate) {
  WgmmaShape<N>::template ss<TransA, TransB>(d, a, b, accumulate);
}

/** D (+)= A B with A in registers. */
template <int N, int TransB = 0>
HOPPER_FN void wgmma(float (&d)[N / 2], u32 a0, u32 a1, u32 a2, u32 a3, u64 b, int accumulate) {
  WgmmaShape<N>::template rs<TransB>(d, a0, a1, a2, a3, b, accumulate);
}

template <int N> struct WgmmaFirst;

#define HOPPER_O4(i) "=f"(d[i]), "=f"(d[i + 1]), "=f"(d[i + 2]), "=f"(d[i + 3])
#define HOPPER_O8(i) HOPPER_O4(i), HOPPER_O4(i + 4)
#define HOPPER_O16(i) HOPPER_O8(i), HOPPER_O8(i + 8)
#define HOPPER_O32(i) HOPPER_O16(i), HOPPER_O16(i + 16)

#define HOPPER_WGMMA_FIRST(N, LIST, OPERANDS, X0, X1, X2, X3, X4, X5)                                                     \
  template <> struct WgmmaFirst<N> {                                                                                      \
    template <int TransA, int TransB> static HOPPER_FN void ss(float (&d)[N / 2], u64 a, u64 b) {                         \
      asm volatile("wgmma.mma_async.sync.aligned.m64n" #N "k16.f32.bf16.bf16 {" LIST "}, " X0 ", " X1                      \
                   ", 0, 1, 1, " X2 ", " X3 ";\n"                                                                         \
                   : OPERANDS                                                                                             \
                   : "l"(a), "l"(b), "n"(TransA), "n"(TransB));                                                           \
    }                                                                                                                     \
    template <int TransB> static HOPPER_FN void rs(float (&d)[N / 2], u32 a0, u32 a1, u32 a2, u32 a3, u64 b) {            \
      asm volatile("wgmma.mma_async.sync.aligned.m64n" #N "k16.f32.bf16.bf16 {" LIST "}, {" X0 ", " X1 ", " X2 ", " X3     \
                   "}, " X4 ", 0, 1, 1, " X5 ";\n"                                                                        \
                   : OPERANDS                                                                                             \
                   : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "l"(b), "n"(TransB));                                            \
    }                                                                                                                     \
  };

#define HOPPER_OUT32 HOPPER_O16(0)
HOPPER_WGMMA_FIRST(32, HOPPER_R0, HOPPER_OUT32, "%16", "%17", "%18", "%19", "%20", "%21")
#define HOPPER_OUT64 HOPPER_O32(0)
HOPPER_WGMMA_FIRST(64, HOPPER_R0 ", " HOPPER_R1, HOPPER_OUT64, "%32", "%33", "%34", "%35", "%36", "%37")
#define HOPPER_OUT128 HOPPER_O32(0), HOPPER_O32(32)
HOPPER_WGMMA_FIRST(128, HOPPER_R0 ", " HOPPER_R1 ", " HOPPER_R2 ", " HOPPER_R3, HOPPER_OUT128, "%64", "%65", "%66", "%67", "%68", "%69")

/**
 * D = A B: the first product of a sum. That D is output only tells the compiler that what the registers held before is
 * dead; with accumulate = 0 it may serialise wgmma (ptxas C7515) where other code writes them in between.
 */
template <int N, int TransA = 0, int TransB = 0> HOPPER_FN void wgmmaFirst(float (&d)[N / 2], u64 a, u64 b) {
  WgmmaFirst<N>::template ss<TransA, TransB>(d, a, b);
}

/** D = A B with A in registers. */
template <int N, int TransB = 0>
HOPPER_FN void wgmmaFirst(float (&d)[N / 2], u32 a0, u32 a1, u32 a2, u32 a3, u64 b) {
  WgmmaFirst<N>::template rs<TransB>(d, a0, a1, a2, a3, b);
}

// ---------------------------------------------------------------- sm_80 and newer

/** 16 bytes to shared memory; zeros instead of what lies beyond `bytes` (0 or 16). */
HOPPER_FN void cpAsync16(void *to, const void *from, int bytes = 16) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(sharedAddress(to)), "l"(from), "r"(bytes) : "memory");
}

/** cpAsync16 that brings the 256 bytes around it to the L2 cache: neighbours that another block reads at the same time. */
HOPPER_FN void cpAsync16Ahead(void *to, const void *from, int bytes = 16) {
  asm volatile("cp.async.cg.shared.global.L2::256B [%0], [%1], 16, %2;" ::"r"(sharedAddress(to)), "l"(from), "r"(bytes)
               : "memory");
}

HOPPER_FN void cpAsyncCommit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

template <int Pending> HOPPER_FN void cpAsyncWait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
}

/** Four 8×8 matrices of 16-bit elements: lane l gives the address of row l % 8 of matrix l / 8. */
HOPPER_FN void ldmatrix4(u32 &r0, u32 &r1, u32 &r2, u32 &r3, u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r0), "=r"(r1), "=r"(r2), "=r"(r3)
               : "r"(address)
               : "memory");
}

HOPPER_FN void ldmatrix4Trans(u32 &r0, u32 &r1, u32 &r2, u32 &r3, u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r0), "=r"(r1), "=r"(r2), "=r"(r3)
               : "r"(address)
               : "memory");
}

/** sm_90. */
HOPPER_FN void stmatrix4(u32 address, u32 r0, u32 r1, u32 r2, u32 r3) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(r0), "r"(r1), "r"(r2),
               "r"(r3)
               : "memory");
}

/** sm_90. */
HOPPER_FN void stmatrix4Trans(u32 address, u32 r0, u32 r1, u32 r2, u32 r3) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(r0), "r"(r1),
               "r"(r2), "r"(r3)
               : "memory");
}

/**
 * D[16, 8] += A[16, 16] B[16, 8] in one warp. Lane l: d[0], d[1] at row l/4, columns 2(l % 4) and the next, d[2], d[3]
 * eight rows below; a0, a2 at row l/4, columns 2(l % 4) and that + 8, a1, a3 eight rows below; b0, b1 at column l/4,
 * rows 2(l % 4) and that + 8 (so B stored as rows of N is read by ldmatrix, as rows of K by ldmatrix.trans).
 */
HOPPER_FN void mma16816(float &d0, float &d1, float &d2, float &d3, u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
               "{%0, %1, %2, %3};"
               : "+f"(d0), "+f"(d1), "+f"(d2), "+f"(d3)
               : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

/** Two floats as bf16, `low` in the low half (the lower address). */
HOPPER_FN u32 packBf16(float low, float high) {
  u32 r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
}

/** 2^x on the special function unit; denormal results are zero. */
HOPPER_FN float exp2Fast(float x) {
  float r;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
  return r;
}

/**
 * Lanes of four that hold 16 columns of a row as accumulators do, packed in pairs (lane q: columns 2q, 2q + 1 in `a`,
 * 8 + 2q, 9 + 2q in `b`), exchange them: lane q gets columns 4q ... 4q + 3, so that a quad stores 32 contiguous bytes.
 */
HOPPER_FN void quadRow(u32 &a, u32 &b) {
  int lane = threadIdx.x % 4;
  u32 other = __shfl_xor_sync(0xffffffffu, lane < 2 ? b : a, 2);
  u32 low = lane < 2 ? a : other;
  u32 high = lane < 2 ? other : b;
  other = __shfl_xor_sync(0xffffffffu, lane % 2 ? low : high, 1);
  a = lane % 2 ? other : low;
  b = lane % 2 ? high : other;
}

} // namespace hopper
