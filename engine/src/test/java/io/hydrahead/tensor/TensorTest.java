package io.hydrahead.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.util.Random;
import org.junit.jupiter.api.Test;

class TensorTest {
  private static Tensor counting(long... shape) {
    Tensor t = Tensor.allocate(Arena.ofAuto(), shape);
    for (long i = 0; i < t.size(); i++) {
      t.set(i, i);
    }
    return t;
  }

  @Test
  void columnsAreASliceOfEveryRow() {
    Tensor c = counting(3, 5).columns(1, 2);
    assertThat(c.toFloats()).containsExactly(1, 2, 6, 7, 11, 12);
    assertThat(c.shape()).containsExactly(3, 2);
    assertThat(c.rowStride()).isEqualTo(5);
    assertThat(c.contiguous()).isFalse();
    assertThat(c.bytes()).isEqualTo(24);
    assertThat(c.segment().byteSize()).isEqualTo(4 * (2 * 5 + 2));
  }

  @Test
  void slicesOfSlices() {
    Tensor c = counting(4, 6).columns(1, 4);
    assertThat(c.rows(2, 2).toFloats()).containsExactly(13, 14, 15, 16, 19, 20, 21, 22);
    assertThat(c.columns(2, 1).toFloats()).containsExactly(3, 9, 15, 21);
    assertThat(c.view(2, 2, 4).rows(1, 1).toFloats())
        .containsExactly(13, 14, 15, 16, 19, 20, 21, 22);
    assertThat(c.rows(3, 1).contiguous()).isTrue();
    assertThat(c.rows(3, 1).toFloats()).containsExactly(19, 20, 21, 22);
  }

  @Test
  void allColumnsOrOneRowAreDense() {
    assertThat(counting(3, 5).columns(0, 5).contiguous()).isTrue();
    assertThat(counting(1, 5).columns(2, 2).contiguous()).isTrue();
    assertThat(counting(1, 5).columns(2, 2).toFloats()).containsExactly(2, 3);
    assertThat(counting(0, 5).columns(2, 2).size()).isZero();
    assertThat(counting().view(1).shape()).containsExactly(1);
  }

  @Test
  void writingASliceLeavesItsNeighbours() {
    Tensor wide = counting(2, 4);
    wide.columns(1, 2).copyFrom(new float[] {10, 20, 30, 40});
    assertThat(wide.toFloats()).containsExactly(0, 10, 20, 3, 4, 30, 40, 7);
    wide.columns(1, 2).copyFrom(wide.columns(2, 2).onHost());
    assertThat(wide.toFloats()).containsExactly(0, 20, 3, 3, 4, 40, 7, 7);
    wide.columns(0, 1).fill(0f);
    assertThat(wide.toFloats()).containsExactly(0, 20, 3, 3, 0, 40, 7, 7);
    Tensor half = Tensor.allocate(Arena.ofAuto(), DType.BF16, 2, 2);
    half.copyFrom(wide.columns(1, 2));
    assertThat(half.toFloats()).containsExactly(20, 3, 40, 7);
    wide.columns(2, 2).copyFrom(half);
    assertThat(wide.toFloats()).containsExactly(0, 20, 20, 3, 0, 40, 40, 7);
  }

  @Test
  void kernelsOfTheProcessorTakeNoSlices() {
    Tensor slice = counting(3, 5).columns(1, 2);
    assertThatThrownBy(slice::hostAddress).hasMessageContaining("column slice");
    assertThatThrownBy(() -> slice.view(2, 3)).hasMessageContaining("cannot view");
    assertThatThrownBy(() -> counting(3, 5).columns(4, 2)).hasMessageContaining("columns 4…6");
  }

  @Test
  void integersAndDoubles() {
    Tensor i = Tensor.allocate(Arena.ofAuto(), DType.I32, 3);
    i.copyFrom(new int[] {9, 8, 7, 6}, 1, 3);
    i.setInt(1, -5);
    assertThat(i.getInt(0)).isEqualTo(8);
    assertThat(i.getInt(1)).isEqualTo(-5);
    Tensor d = Tensor.allocate(Arena.ofAuto(), DType.F64, 1);
    d.setDouble(0, Math.PI);
    assertThat(d.getDouble(0)).isEqualTo(Math.PI);
    assertThatThrownBy(() -> d.setInt(0, 1)).hasMessageContaining("is not I32");
  }

  @Test
  void convertedInOneGoIsTheSameAsOneByOne() {
    Random random = new Random(3);
    for (int n : new int[] {0, 1, 13, 4099, (1 << 20) + 7}) {
      Tensor full = Tensor.allocate(Arena.ofAuto(), n);
      for (int i = 0; i < n; i++) { // every kind of float, infinities and NaN among them
        float v =
            i % 3 == 0 ? Float.intBitsToFloat(random.nextInt()) : (float) random.nextGaussian();
        full.set(i, v);
      }
      for (DType half : new DType[] {DType.BF16, DType.F16}) {
        Tensor narrow = Tensor.allocate(Arena.ofAuto(), half, n);
        narrow.copyFrom(full);
        Tensor wide = Tensor.allocate(Arena.ofAuto(), n);
        wide.copyFrom(narrow);
        Tensor single = Tensor.allocate(Arena.ofAuto(), half, 1);
        for (int i = 0; i < n; i++) {
          single.set(0, full.get(i));
          float expected = single.get(0);
          if (!(narrow.get(i) == expected && wide.get(i) == expected)) {
            assertThat(Float.isNaN(expected) && Float.isNaN(wide.get(i)))
                .as("%s of %s at %s", half, full.get(i), i)
                .isTrue();
          }
        }
      }
    }
  }

  /** A matrix of every kind of float, or a column slice of one; infinities and NaN among them. */
  private static Tensor matrix(DType type, int rows, int columns, boolean slice, Random random) {
    Tensor all = Tensor.allocate(Arena.ofAuto(), type, rows, columns + 5);
    for (long i = 0; i < all.size(); i++) {
      float any = Float.intBitsToFloat(random.nextInt());
      all.set(i, i % 3 == 0 ? any : (float) random.nextGaussian());
    }
    return slice ? all.columns(2, columns) : all.columns(2, columns).onHost();
  }

  @Test
  void everyCopyIsTheSameAsThePlainLoop() {
    Random random = new Random(5);
    DType[] types = {DType.F32, DType.BF16, DType.F16, DType.F64};
    for (DType from : types) {
      for (DType to : types) {
        for (int columns : new int[] {1, 13, 64, 257}) {
          for (int slices = 0; slices < 4; slices++) {
            Tensor source = matrix(from, 7, columns, slices % 2 == 1, random);
            Tensor target = matrix(to, 7, columns, slices > 1, random);
            target.copyFrom(source);
            Tensor one = Tensor.allocate(Arena.ofAuto(), to, 1);
            for (long i = 0; i < source.size(); i++) {
              one.set(0, source.get(i));
              assertThat(Float.floatToIntBits(target.get(i)))
                  .as("%s to %s, %d columns, slices %d, element %d", from, to, columns, slices, i)
                  .isEqualTo(Float.floatToIntBits(one.get(0)));
            }
          }
        }
      }
    }
  }

  @Test
  void arraysOfFloatsAreConvertedToo() {
    Random random = new Random(6);
    for (DType type : new DType[] {DType.F32, DType.BF16, DType.F16, DType.F64}) {
      Tensor t = matrix(type, 5, 9, true, random);
      float[] out = t.toFloats();
      Tensor back = matrix(type, 5, 9, true, random);
      back.copyFrom(out);
      for (int i = 0; i < out.length; i++) {
        assertThat(Float.floatToIntBits(out[i])).isEqualTo(Float.floatToIntBits(t.get(i)));
        assertThat(Float.floatToIntBits(back.get(i))).isEqualTo(Float.floatToIntBits(t.get(i)));
      }
    }
    assertThatThrownBy(() -> counting(3).copyFrom(new float[2])).hasMessageContaining("2 values");
  }
}
