// keep.cu: CUDA twin of keep.rs. One thread per voxel; the mask is laid out as in bits.cu.

extern "C" __global__ void keep_inside(float *voxels, const u64 *words, u64 count, u32 stride, u32 columns,
                                       float outside) {
    u64 at = thread_index();
    if (at >= count) return;
    u64 row = at / columns;
    u32 column = (u32)(at - row * columns);
    if (!(words[row * stride + column / 64] >> (column % 64) & 1)) voxels[at] = outside;
}
