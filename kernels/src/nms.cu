// nms.cu: the twin of nms.rs. Boxes come sorted, the best first; which one beats which is found out for all
// pairs at once, and who is left, 64 boxes at a time.

// The lower and the upper ends of a box, and its volume.
struct Box {
    float low[3], high[3], volume;
};

// As `Scored::overlap`: the same operations in the same order.
__device__ inline float overlap(const Box &a, const Box &b) {
    float shared = 1.0f;
    for (int axis = 0; axis < 3; axis++) {
        float length = fminf(a.high[axis], b.high[axis]) - fmaxf(a.low[axis], b.low[axis]);
        if (length <= 0.0f) return 0.0f;
        shared *= length;
    }
    return shared / (a.volume + b.volume - shared);
}

// For each box the later ones that it overlaps by more than `threshold`: bit n of word w stands for box
// 64 w + n. One block of 64 threads for 64 boxes (y) and 64 others (x); words of earlier boxes are left alone.
extern "C" __global__ void nms_beaten(u64 *beaten, const float *boxes, float threshold, u32 count) {
    __shared__ Box others[64];
    u32 word = blockIdx.x, words = gridDim.x, group = blockIdx.y;
    bool is_later = word >= group;
    u32 other = word * 64 + threadIdx.x;
    if (is_later && other < count) others[threadIdx.x] = ((const Box *)boxes)[other];
    __syncthreads();
    u32 at = group * 64 + threadIdx.x;
    if (!is_later || at >= count) return;
    Box box = ((const Box *)boxes)[at];
    u64 bits = 0;
    for (u32 n = 0; n < 64 && word * 64 + n < count; n++) {
        if (word * 64 + n > at && overlap(others[n], box) > threshold) bits |= 1ull << n;
    }
    beaten[at * (u64)words + word] = bits;
}

// The boxes that no box which is itself left beats, as bits; one block of 256 threads. `gone` starts as 0.
extern "C" __global__ void nms_left(u64 *left, u64 *gone, const u64 *beaten, u32 count) {
    __shared__ u64 kept;
    u32 words = (count + 63) / 64;
    for (u32 word = 0; word < words; word++) {
        if (threadIdx.x == 0) {
            u64 lost = gone[word], now = 0;
            for (u32 n = 0; n < 64 && word * 64 + n < count; n++) {
                if (lost >> n & 1) continue;
                now |= 1ull << n;
                lost |= beaten[(word * 64 + n) * (u64)words + word];
            }
            kept = now;
            left[word] = now;
        }
        __syncthreads();
        for (u32 later = word + 1 + threadIdx.x; later < words; later += blockDim.x) {
            u64 lost = gone[later];
            for (u64 rest = kept; rest; rest &= rest - 1) {
                u32 n = (u32)__ffsll((i64)rest) - 1;
                lost |= beaten[(word * 64 + n) * (u64)words + later];
            }
            gone[later] = lost;
        }
        __syncthreads();
    }
}
