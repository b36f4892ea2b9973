// blend.cu: CUDA twin of blend/mod.rs. One thread per voxel of the volume, which sums up in the order of the
// tiles, as the CPU does, so that the bits are the same. Blocks of 32 x 4 x 2 threads first find out which tiles
// touch their voxels.

// What is known of a tile, 12 numbers: its first voxel in the volume (k, j, i), how many of its voxels lie in the
// volume along each axis, where its weights along each axis begin, where its values begin, and how far apart its
// rows and slices are.
enum { AT = 0, SIZE = 3, FALLOFF = 6, VALUES = 9, ROW = 10, SLICE = 11, RECORD = 12 };

// So many tiles are looked at at a time.
enum { TILES = 1024, THREADS = 256 };

// No weight is below this share of the greatest: LEAST_WEIGHT in blend/mod.rs.
#define LEAST_WEIGHT 1e-3f

struct Place {
    u64 at[3];
};

__device__ inline u32 thread_of_block() {
    return (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
}

// Marks those of `count` tiles that touch a voxel of this block, whose first one is `low`.
__device__ inline void mark(u32 *marks, const i64 *tiles, u32 count, Place low) {
    __syncthreads();
    if (thread_of_block() < TILES / 32) marks[thread_of_block()] = 0;
    __syncthreads();
    u64 size[3] = {blockDim.z, blockDim.y, blockDim.x};
    for (u32 n = thread_of_block(); n < count; n += THREADS) {
        const i64 *tile = tiles + (u64)n * RECORD;
        bool touches = true;
        for (int axis = 0; axis < 3; axis++) {
            touches &= tile[AT + axis] < (i64)(low.at[axis] + size[axis]);
            touches &= (i64)low.at[axis] < tile[AT + axis] + tile[SIZE + axis];
        }
        if (touches) atomicOr(&marks[n / 32], 1u << (n % 32));
    }
    __syncthreads();
}

// The weight of a voxel in a tile, or -1 where it is not in it. `values` becomes its index in the tile.
__device__ inline float weight_in(const i64 *tile, const float *falloff, Place voxel, i64 *values) {
    i64 off[3];
    for (int axis = 0; axis < 3; axis++) {
        off[axis] = (i64)voxel.at[axis] - tile[AT + axis];
        if (off[axis] < 0 || off[axis] >= tile[SIZE + axis]) return -1.0f;
    }
    *values = tile[VALUES] + off[0] * tile[SLICE] + off[1] * tile[ROW] + off[2];
    float of_row = falloff[tile[FALLOFF] + off[0]] * falloff[tile[FALLOFF + 1] + off[1]];
    float weight = of_row * falloff[tile[FALLOFF + 2] + off[2]];
    return weight > LEAST_WEIGHT ? weight : LEAST_WEIGHT;
}

// Adds tiles to the sums. The grid covers the box from (lk, lj, li) up to, but not including, (hk, hj, hi); a
// slice of the volume has `rows` rows of `columns` voxels.
extern "C" __global__ void blend_add(float *sums, const float *values, const i64 *tiles, u32 count,
                                     const float *falloff, u64 lk, u64 lj, u64 li, u64 hk, u64 hj, u64 hi,
                                     u64 rows, u64 columns) {
    __shared__ u32 marks[TILES / 32];
    Place low = {{lk + (u64)blockIdx.z * blockDim.z, lj + (u64)blockIdx.y * blockDim.y,
                  li + (u64)blockIdx.x * blockDim.x}};
    Place voxel = {{low.at[0] + threadIdx.z, low.at[1] + threadIdx.y, low.at[2] + threadIdx.x}};
    bool is_voxel = voxel.at[0] < hk && voxel.at[1] < hj && voxel.at[2] < hi;
    u64 at = (voxel.at[0] * rows + voxel.at[1]) * columns + voxel.at[2];
    float sum = 0.0f;
    bool is_loaded = false;
    for (u32 first = 0; first < count; first += TILES) {
        u32 some = count - first < TILES ? count - first : TILES;
        mark(marks, tiles + (u64)first * RECORD, some, low);
        for (u32 word = 0; is_voxel && word * 32 < some; word++) {
            for (u32 left = marks[word]; left; left &= left - 1) {
                const i64 *tile = tiles + (u64)(first + word * 32 + __ffs(left) - 1) * RECORD;
                i64 from;
                float weight = weight_in(tile, falloff, voxel, &from);
                if (weight < 0.0f) continue;
                if (!is_loaded) sum = sums[at];
                is_loaded = true;
                sum += values[from] * weight;
            }
        }
    }
    if (is_loaded) sums[at] = sum;
}

// Divides the sums by the weights that they were added with; 0 where there were none.
extern "C" __global__ void blend_finish(float *sums, const i64 *tiles, u32 count, const float *falloff,
                                        u64 slices, u64 rows, u64 columns) {
    __shared__ u32 marks[TILES / 32];
    Place low = {{(u64)blockIdx.z * blockDim.z, (u64)blockIdx.y * blockDim.y, (u64)blockIdx.x * blockDim.x}};
    Place voxel = {{low.at[0] + threadIdx.z, low.at[1] + threadIdx.y, low.at[2] + threadIdx.x}};
    bool is_voxel = voxel.at[0] < slices && voxel.at[1] < rows && voxel.at[2] < columns;
    float total = 0.0f;
    for (u32 first = 0; first < count; first += TILES) {
        u32 some = count - first < TILES ? count - first : TILES;
        mark(marks, tiles + (u64)first * RECORD, some, low);
        for (u32 word = 0; is_voxel && word * 32 < some; word++) {
            for (u32 left = marks[word]; left; left &= left - 1) {
                const i64 *tile = tiles + (u64)(first + word * 32 + __ffs(left) - 1) * RECORD;
                i64 from;
                float weight = weight_in(tile, falloff, voxel, &from);
                if (weight >= 0.0f) total += weight;
            }
        }
    }
    if (!is_voxel) return;
    u64 at = (voxel.at[0] * rows + voxel.at[1]) * columns + voxel.at[2];
    sums[at] = total > 0.0f ? sums[at] / total : 0.0f;
}
