// tiles.cu: CUDA twin of tiles/mod.rs. One thread per voxel of a slice of the batch, through as many slices as
// the grid is short of; a voxel is copied as it is, whatever its bytes mean.

// Tiles of tk x tj x ti voxels out of a volume of vk x vj x vi.
template <class T>
__device__ inline void gather(T *out, const T *in, const i64 *starts, u64 slices, u32 tk, u32 tj, u32 ti, i64 vk,
                              i64 vj, i64 vi, T pad) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x, j = blockIdx.y * blockDim.y + threadIdx.y;
    if (i >= ti || j >= tj) return;
    for (u64 slice = blockIdx.z; slice < slices; slice += gridDim.z) {
        const i64 *start = starts + 3 * (slice / tk);
        i64 k_at = start[0] + (i64)(slice % tk), j_at = start[1] + j, i_at = start[2] + i;
        bool is_inside = k_at >= 0 && k_at < vk && j_at >= 0 && j_at < vj && i_at >= 0 && i_at < vi;
        out[(slice * tj + j) * ti + i] = is_inside ? in[(k_at * vj + j_at) * vi + i_at] : pad;
    }
}

extern "C" __global__ void tiles_gather_1(u8 *out, const u8 *in, const i64 *starts, u64 slices, u32 tk, u32 tj,
                                          u32 ti, i64 vk, i64 vj, i64 vi, u32 pad) {
    gather(out, in, starts, slices, tk, tj, ti, vk, vj, vi, (u8)pad);
}

extern "C" __global__ void tiles_gather_2(u16 *out, const u16 *in, const i64 *starts, u64 slices, u32 tk, u32 tj,
                                          u32 ti, i64 vk, i64 vj, i64 vi, u32 pad) {
    gather(out, in, starts, slices, tk, tj, ti, vk, vj, vi, (u16)pad);
}

extern "C" __global__ void tiles_gather_4(u32 *out, const u32 *in, const i64 *starts, u64 slices, u32 tk, u32 tj,
                                          u32 ti, i64 vk, i64 vj, i64 vi, u32 pad) {
    gather(out, in, starts, slices, tk, tj, ti, vk, vj, vi, pad);
}
