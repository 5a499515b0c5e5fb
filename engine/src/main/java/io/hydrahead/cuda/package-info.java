/**
 * NVIDIA GPUs through the Foreign Function &amp; Memory API: the driver, NVRTC and cuBLASLt,
 * without JNI, SDK or compiler. Everything belongs to an open {@link io.hydrahead.cuda.CudaDevice};
 * several can be open at once. {@link io.hydrahead.cuda.CudaLibraries} says what of it this machine
 * has.
 *
 * <p>All device work is ordered on the device's one stream. A device is used by one thread at a
 * time; which thread that is may change.
 */
package io.hydrahead.cuda;
