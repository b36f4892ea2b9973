// A CUDA driver without a GPU: the functions of libcuda that Foci calls, on the CPU.
//
// Linked with the .cu files, compiled as C++ behind shim.h, into a library that takes libcuda's place in the
// tests. Everything happens when it is asked for, in the caller's thread. It is meant to find mistakes:
//
//  - memory ends where a page ends that cannot be touched, so that writing or reading beyond its end stops
//    the test with a signal (begin: the 16 bytes before are checked when it is given back);
//  - fresh memory holds 0xCD, not 0;
//  - every second launch of a kernel runs its blocks and threads backwards, so that a result that depends on
//    their order shows;
//  - a launch that a device would refuse (too many threads, a grid that is too large) is refused.
//
// FOCI_EMULATED_MEMORY: bytes of memory that the device says it has (default 1 GiB).

#include "shim.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

thread_local foci_dim3 threadIdx, blockIdx, blockDim, gridDim;

// ---- half precision

unsigned short foci_half_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return sign | 0x7e00 | (magnitude >> 13 & 0x3ff);
    if (magnitude >= 0x47800000) return sign | 0x7c00;  // 65536 and more
    // The nearest of the numbers with 11 bits (fewer below 2^-14), ties to even.
    float scaled;
    memcpy(&scaled, &magnitude, 4);
    int exponent;
    frexpf(scaled, &exponent);
    int step = (exponent < -13 ? -13 : exponent) - 11;
    float whole = nearbyintf(ldexpf(scaled, -step));
    float rounded = ldexpf(whole, step);
    if (rounded >= 65536.0f) return sign | 0x7c00;
    if (rounded < ldexpf(1.0f, -14)) return sign | (unsigned short)ldexpf(rounded, 24);
    memcpy(&magnitude, &rounded, 4);
    return sign | (unsigned short)((magnitude >> 13) - (112 << 10));
}

float foci_half_value(unsigned short bits) {
    float sign = bits & 0x8000 ? -1.0f : 1.0f;
    int exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
    if (exponent == 0x1f) return fraction ? NAN : sign * INFINITY;
    return sign * (exponent ? ldexpf((float)(fraction + 1024), exponent - 25) : ldexpf((float)fraction, -24));
}

// ---- kernels

namespace {

struct Kernel {
    std::string name;
    foci_call call;
    bool has_barrier;
    std::atomic<unsigned> launches{0};
};

std::map<std::string, Kernel *> &kernels() {
    static std::map<std::string, Kernel *> all;
    return all;
}

// The fibres of one block.
struct Block {
    ucontext_t scheduler;
    std::vector<ucontext_t> fibres;
    std::vector<char> done;
    std::vector<std::unique_ptr<char[]>> stacks;
    foci_call call;
    void **arguments;
    size_t current = 0;
};
thread_local Block *running = nullptr;
const size_t STACK = 96 << 10;

foci_dim3 unflatten(size_t at, foci_dim3 shape) {
    return {(unsigned)(at % shape.x), (unsigned)(at / shape.x % shape.y), (unsigned)(at / shape.x / shape.y)};
}

void run_fibre() {
    Block *block = running;
    block->call(block->arguments);
    block->done[block->current] = 1;
    swapcontext(&block->fibres[block->current], &block->scheduler);
}

void run_block(Block &block, Kernel &kernel, void **arguments, bool backwards) {
    size_t threads = (size_t)blockDim.x * blockDim.y * blockDim.z;
    auto nth = [&](size_t n) { return backwards ? threads - 1 - n : n; };
    if (!kernel.has_barrier) {
        for (size_t n = 0; n < threads; n++) {
            threadIdx = unflatten(nth(n), blockDim);
            kernel.call(arguments);
        }
        return;
    }
    block.call = kernel.call;
    block.arguments = arguments;
    block.fibres.resize(threads);
    block.done.assign(threads, 0);
    while (block.stacks.size() < threads) block.stacks.emplace_back(new char[STACK]);
    for (size_t n = 0; n < threads; n++) {
        getcontext(&block.fibres[n]);
        block.fibres[n].uc_stack.ss_sp = block.stacks[n].get();
        block.fibres[n].uc_stack.ss_size = STACK;
        block.fibres[n].uc_link = &block.scheduler;
        makecontext(&block.fibres[n], run_fibre, 0);
    }
    running = &block;
    // From barrier to barrier. A thread that has ended counts as arrived, as on a device.
    for (bool any = true; any;) {
        any = false;
        for (size_t n = 0; n < threads; n++) {
            block.current = nth(n);
            if (block.done[block.current]) continue;
            threadIdx = unflatten(block.current, blockDim);
            swapcontext(&block.scheduler, &block.fibres[block.current]);
            any = true;
        }
    }
    running = nullptr;
}

// ---- memory

struct Piece {
    char *map;
    size_t mapped, bytes;
};
std::mutex lock;
std::map<uintptr_t, Piece> &pieces() {
    static std::map<uintptr_t, Piece> all;
    return all;
}
size_t used = 0;

size_t memory() {
    const char *text = getenv("FOCI_EMULATED_MEMORY");
    return text ? strtoull(text, nullptr, 10) : (size_t)1 << 30;
}

enum { OK = 0, INVALID = 1, OUT_OF_MEMORY = 2, NO_DEVICE = 101, NOT_FOUND = 500, TOO_MANY = 701 };

int allocate(uintptr_t *out, size_t bytes) {
    if (bytes == 0) return INVALID;
    std::lock_guard<std::mutex> hold(lock);
    if (bytes > memory() || used > memory() - bytes) return OUT_OF_MEMORY;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    // 16 bytes that are checked, what was asked for up to a multiple of 16, and a page that cannot be touched.
    size_t room = (bytes + 15) / 16 * 16;
    size_t mapped = (room + 16 + page - 1) / page * page + page;
    char *map = (char *)mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) return OUT_OF_MEMORY;
    mprotect(map + mapped - page, page, PROT_NONE);
    char *start = map + mapped - page - room;
    memset(start - 16, 0xAB, 16);
    memset(start, 0xCD, room);
    pieces()[(uintptr_t)start] = {map, mapped, bytes};
    used += bytes;
    *out = (uintptr_t)start;
    return OK;
}

int release(uintptr_t at) {
    std::lock_guard<std::mutex> hold(lock);
    auto found = pieces().find(at);
    if (found == pieces().end()) return INVALID;
    const unsigned char *start = (const unsigned char *)at;
    for (int n = -16; n < 0; n++) {
        if (start[n] != 0xAB) {
            fprintf(stderr, "emulated GPU: a kernel wrote before the start of its memory\n");
            abort();
        }
    }
    size_t room = (found->second.bytes + 15) / 16 * 16;
    for (size_t n = found->second.bytes; n < room; n++) {
        if (start[n] != 0xCD) {
            fprintf(stderr, "emulated GPU: a kernel wrote beyond the end of its memory\n");
            abort();
        }
    }
    used -= found->second.bytes;
    munmap(found->second.map, found->second.mapped);
    pieces().erase(found);
    return OK;
}

// Whether `bytes` from `at` lie in one piece of device memory.
bool is_device(uintptr_t at, size_t bytes) {
    std::lock_guard<std::mutex> hold(lock);
    auto after = pieces().upper_bound(at);
    if (after == pieces().begin()) return bytes == 0;
    const auto &piece = *--after;
    return at + bytes <= piece.first + piece.second.bytes;
}

thread_local void *current_context = nullptr;
char the_context;

}  // namespace

foci_kernel::foci_kernel(const char *name, foci_call call, bool has_barrier) {
    Kernel *kernel = new Kernel;
    kernel->name = name;
    kernel->call = call;
    kernel->has_barrier = has_barrier;
    kernels()[name] = kernel;
}

void foci_barrier() {
    Block *block = running;
    swapcontext(&block->fibres[block->current], &block->scheduler);
}

#define API extern "C" __attribute__((visibility("default"))) int

API cuInit(unsigned) { return OK; }
API cuDriverGetVersion(int *version) { *version = 12000; return OK; }
API cuDeviceGetCount(int *count) { *count = 1; return OK; }
API cuDeviceGet(int *device, int ordinal) {
    if (ordinal != 0) return NO_DEVICE;
    *device = 0;
    return OK;
}
API cuDeviceGetName(char *name, int length, int) { snprintf(name, (size_t)length, "emulated on the CPU"); return OK; }
API cuDeviceTotalMem_v2(size_t *bytes, int) { *bytes = memory(); return OK; }
API cuDeviceGetAttribute(int *value, int attribute, int) {
    switch (attribute) {
        case 1: *value = 1024; break;    // threads per block
        case 8: *value = 49152; break;   // shared memory per block
        case 16: *value = 108; break;    // multiprocessors
        case 75: *value = 8; break;      // compute capability, major
        case 76: *value = 0; break;      // and minor
        case 115: *value = 1; break;     // memory pools
        default: *value = 0;
    }
    return OK;
}
API cuDevicePrimaryCtxRetain(void **context, int) {
    // Addresses for all memory that there might be, as CUDA takes them: far more than a process may be allowed to fill.
    static void *reserved =
        mmap(nullptr, (size_t)256 << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserved == MAP_FAILED) return OUT_OF_MEMORY;
    *context = &the_context;
    return OK;
}
API cuDevicePrimaryCtxRelease_v2(int) { return OK; }
API cuCtxSetCurrent(void *context) { current_context = context; return OK; }
API cuCtxGetCurrent(void **context) { *context = current_context; return OK; }
API cuCtxSynchronize() { return OK; }
API cuMemGetInfo_v2(size_t *free, size_t *total) {
    std::lock_guard<std::mutex> hold(lock);
    *total = memory();
    *free = *total > used ? *total - used : 0;
    return OK;
}
API cuMemAlloc_v2(uintptr_t *out, size_t bytes) { return allocate(out, bytes); }
API cuMemAllocAsync(uintptr_t *out, size_t bytes, void *) { return allocate(out, bytes); }
API cuMemFree_v2(uintptr_t at) { return release(at); }
API cuMemFreeAsync(uintptr_t at, void *) { return release(at); }
API cuMemHostAlloc(void **out, size_t bytes, unsigned) {
    *out = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    return *out ? OK : OUT_OF_MEMORY;
}
API cuMemFreeHost(void *at) { free(at); return OK; }
API cuMemsetD8Async(uintptr_t at, unsigned char value, size_t bytes, void *) {
    if (!is_device(at, bytes)) return INVALID;
    memset((void *)at, value, bytes);
    return OK;
}
API cuMemcpyHtoDAsync_v2(uintptr_t to, const void *from, size_t bytes, void *) {
    if (!is_device(to, bytes)) return INVALID;
    memcpy((void *)to, from, bytes);
    return OK;
}
API cuMemcpyDtoHAsync_v2(void *to, uintptr_t from, size_t bytes, void *) {
    if (!is_device(from, bytes)) return INVALID;
    memcpy(to, (const void *)from, bytes);
    return OK;
}
API cuMemcpyDtoDAsync_v2(uintptr_t to, uintptr_t from, size_t bytes, void *) {
    if (!is_device(to, bytes) || !is_device(from, bytes)) return INVALID;
    memmove((void *)to, (const void *)from, bytes);
    return OK;
}
API cuStreamCreate(void **stream, unsigned) { *stream = new char; return OK; }
API cuStreamDestroy_v2(void *stream) { delete (char *)stream; return OK; }
API cuStreamSynchronize(void *) { return OK; }
API cuStreamWaitEvent(void *, void *, unsigned) { return OK; }
API cuEventCreate(void **event, unsigned) { *event = new char; return OK; }
API cuEventRecord(void *, void *) { return OK; }
API cuEventQuery(void *) { return OK; }
API cuEventSynchronize(void *) { return OK; }
API cuEventElapsedTime(float *ms, void *, void *) { *ms = 0; return OK; }
API cuEventElapsedTime_v2(float *ms, void *, void *) { *ms = 0; return OK; }
API cuEventDestroy_v2(void *event) { delete (char *)event; return OK; }
// Whatever the module's code is: the kernels are compiled in, and found by name.
API cuModuleLoadData(void **module, const void *) { *module = new char; return OK; }
API cuModuleUnload(void *module) { delete (char *)module; return OK; }
API cuModuleGetFunction(void **function, void *, const char *name) {
    auto found = kernels().find(name);
    if (found == kernels().end()) return NOT_FOUND;
    *function = found->second;
    return OK;
}
API cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void *, void **arguments, void **) {
    if (!gx || !gy || !gz || !bx || !by || !bz) return INVALID;
    if ((size_t)bx * by * bz > 1024 || bz > 64 || gx > 0x7fffffffu || gy > 65535 || gz > 65535) return INVALID;
    if (shared > 0) return INVALID;  // dynamic shared memory is not used
    Kernel &kernel = *(Kernel *)function;
    bool backwards = kernel.launches.fetch_add(1) % 2 == 1;
    Block block;
    blockDim = {bx, by, bz};
    gridDim = {gx, gy, gz};
    size_t blocks = (size_t)gx * gy * gz;
    for (size_t n = 0; n < blocks; n++) {
        blockIdx = unflatten(backwards ? blocks - 1 - n : n, gridDim);
        run_block(block, kernel, arguments, backwards);
    }
    return OK;
}
API cuGetErrorName(int code, const char **text) { *text = code == OK ? "OK" : "error"; return OK; }
API cuGetErrorString(int code, const char **text) { return cuGetErrorName(code, text); }
