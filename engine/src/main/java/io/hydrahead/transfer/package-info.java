/**
 * From a converted model to one that behaves like its teacher, in the three stages of HydraHead
 * (arXiv:2606.20097): alignment of attention outputs, distillation on logits, next-token training
 * at a longer context. {@link io.hydrahead.transfer.Transfer} trains one or more students on the
 * same batches; {@link io.hydrahead.transfer.Transfers} is the command's way in.
 */
package io.hydrahead.transfer;
