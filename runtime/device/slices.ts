/** How long runs are cut, for those who cut and those who plan with it. Milliseconds of the GPU's time. */

/** For how long a part is to keep the GPU. */
export const defaultSliceMs = 10;
/** What takes little more than a slice is not cut. */
export const worthCutting = 1.5;
/** A run that takes longer is cut, unless the device was told of other slices. */
export const cutsFromMs = worthCutting * defaultSliceMs;
