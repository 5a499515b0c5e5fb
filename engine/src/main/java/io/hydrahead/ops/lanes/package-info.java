/** Vector API building blocks of the fused kernels: tile products, exponentials, scratch memory. */
package io.hydrahead.ops.lanes;
