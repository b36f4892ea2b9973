// tiles.cu: CUDA twin of tiles/mod.rs. One thread per voxel of the batch; a voxel is copied as it is, whatever
// its bytes mean.

struct Batch {
    u64 count;
    u64 tile[3];
    i64 volume[3];
};

// Where voxel `at` of the batch lies in the volume; -1 outside of it.
__device__ inline i64 source(const i64 *starts, Batch batch, u64 at) {
    u64 i = at % batch.tile[2], j = at / batch.tile[2] % batch.tile[1];
    u64 slice = at / batch.tile[2] / batch.tile[1], k = slice % batch.tile[0];
    const i64 *start = starts + 3 * (slice / batch.tile[0]);
    i64 place[3] = {start[0] + (i64)k, start[1] + (i64)j, start[2] + (i64)i};
    for (int axis = 0; axis < 3; axis++) {
        if (place[axis] < 0 || place[axis] >= batch.volume[axis]) return -1;
    }
    return (place[0] * batch.volume[1] + place[1]) * batch.volume[2] + place[2];
}

template <class T>
__device__ inline void gather(T *out, const T *in, const i64 *starts, Batch batch, T pad) {
    u64 at = thread_index();
    if (at >= batch.count) return;
    i64 from = source(starts, batch, at);
    out[at] = from < 0 ? pad : in[from];
}

extern "C" __global__ void tiles_gather_1(u8 *out, const u8 *in, const i64 *starts, u64 count, u64 tk, u64 tj,
                                          u64 ti, i64 vk, i64 vj, i64 vi, u32 pad) {
    gather(out, in, starts, Batch{count, {tk, tj, ti}, {vk, vj, vi}}, (u8)pad);
}

extern "C" __global__ void tiles_gather_2(u16 *out, const u16 *in, const i64 *starts, u64 count, u64 tk, u64 tj,
                                          u64 ti, i64 vk, i64 vj, i64 vi, u32 pad) {
    gather(out, in, starts, Batch{count, {tk, tj, ti}, {vk, vj, vi}}, (u16)pad);
}

extern "C" __global__ void tiles_gather_4(u32 *out, const u32 *in, const i64 *starts, u64 count, u64 tk, u64 tj,
                                          u64 ti, i64 vk, i64 vj, i64 vi, u32 pad) {
    gather(out, in, starts, Batch{count, {tk, tj, ti}, {vk, vj, vi}}, pad);
}
