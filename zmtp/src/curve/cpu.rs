//! What the processor has, found out once per session.

/// A proof of what the processor can do beyond the portable code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cpu {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    avx2: Option<fearless_simd::Avx2>,
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    avx512: Option<fearless_simd::Avx512>,
}

impl Cpu {
    /// This processor.
    pub(super) fn detect() -> Self {
        Self {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            avx2: fearless_simd::Level::new().as_avx2(),
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            avx512: fearless_simd::Level::new().as_avx512(),
        }
    }

    /// A processor of which nothing is known, for tests.
    #[cfg(test)]
    pub(super) const fn portable() -> Self {
        Self {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            avx2: None,
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            avx512: None,
        }
    }

    /// This processor without AVX-512, for tests.
    #[cfg(test)]
    pub(super) fn without_avx512() -> Self {
        Self {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            avx512: None,
            ..Self::detect()
        }
    }

    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    pub(super) const fn avx512(self) -> Option<fearless_simd::Avx512> {
        self.avx512
    }

    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    pub(super) const fn avx2(self) -> Option<fearless_simd::Avx2> {
        self.avx2
    }
}
