;; Has a core module and makes no instance of it.
;; expect: load: expected exactly one core instance, found 0
(component
  (core module
    ;; manifest
  )
)
